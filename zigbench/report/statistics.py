"""Paired effects, rank agreement and many-arm tests: what may be said of a difference, and what may not.

Runs of different arms share their seeds (the same initialisation, the same batches, the same held-out noise), so an
effect is the mean of the differences within a seed. The difference varies far less than either arm does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from zigbench.report.distributions import (
    NORMAL,
    chi_squared_tail,
    student_quantile,
    student_tail,
    studentized_range,
)

ALPHA = 0.05


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` seeds and its 95 % t-interval; the interval is NaN where n < 2, the mean where n = 0."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Effect:
    """The paired difference ``a − b`` over the seeds both arms have.

    Args:
        a, b: names of the arms.
        estimate: mean difference and its uncorrected 95 % interval.
        p: two-sided p-value of the paired t-test; NaN where there are fewer than two pairs.
        p_holm: the same, corrected for the family it was tested in; equal to ``p`` in a family of one.
    """

    a: str
    b: str
    estimate: Estimate
    p: float
    p_holm: float

    @property
    def separated(self) -> bool:
        """Whether the corrected test rejects equality at 5 %."""
        return self.p_holm < ALPHA

    @property
    def sign(self) -> int:
        """1 where a is separated above b, −1 where below, 0 where not separated."""
        return int(math.copysign(1, self.estimate.mean)) if self.separated else 0


def mean_interval(values: Iterable[float], confidence: float = 1 - ALPHA) -> Estimate:
    """Mean of the finite values and Student's t-interval: mean ± t(n−1) · s/√n."""
    finite = np.array([value for value in values if math.isfinite(value)], dtype=float)
    n = len(finite)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    mean = float(finite.mean())
    if n == 1:
        return Estimate(mean, math.nan, math.nan, 1)
    half = student_quantile((1 + confidence) / 2, n - 1) * float(finite.std(ddof=1)) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def paired_effect(a: pd.Series, b: pd.Series, names: tuple[str, str] = ("a", "b")) -> Effect:
    """The effect of ``a`` over ``b``, both indexed by seed; seeds that either lacks are left out.

    Where every pair differs by the very same amount the t-test has no variance to work with: its limit is taken,
    p = 0 for a difference and p = 1 for none.
    """
    differences = (a - b.reindex(a.index)).to_numpy(dtype=float)
    differences = differences[np.isfinite(differences)]
    estimate = mean_interval(differences)
    if estimate.n < 2:
        p = math.nan
    elif (error := float(differences.std(ddof=1)) / math.sqrt(estimate.n)) == 0:
        p = 1.0 if estimate.mean == 0 else 0.0
    else:
        p = 2 * student_tail(abs(estimate.mean) / error, estimate.n - 1)
    return Effect(*names, estimate, p, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): p₍ᵢ₎ · (m − i + 1), made monotone and cut at 1; NaN is not counted."""
    adjusted = [math.nan] * len(p_values)
    known = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i])
    running = 0.0
    for position, index in enumerate(known):
        running = max(running, min(1.0, p_values[index] * (len(known) - position)))
        adjusted[index] = running
    return adjusted


def effects(values: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> tuple[Effect, ...]:
    """Paired effects of each pair of rows of ``values`` (arm × seed), Holm-corrected together as one family.

    Pairs of the very same values are one test and count once: where an axis has no bearing on a metric, as a
    sampler's steps have none on a loss, each of its points repeats the test.
    """
    found = [paired_effect(values.loc[a], values.loc[b], (a, b)) for a, b in pairs]
    tests = [(values.loc[a].to_numpy().tobytes(), values.loc[b].to_numpy().tobytes()) for a, b in pairs]
    family = {test: effect.p for test, effect in zip(tests, found, strict=True)}
    corrected = dict(zip(family, holm(list(family.values())), strict=True))
    return tuple(replace(effect, p_holm=corrected[test]) for test, effect in zip(tests, found, strict=True))


def within_seeds(values: pd.DataFrame) -> dict[str, Estimate]:
    """Mean of each arm (row) with the interval that remains once the seeds' common ups and downs are taken out.

    Each seed's mean over the arms is moved to the grand mean and the variance is scaled by k/(k − 1)
    (Cousineau, 2005; Morey, 2008); seeds that some arm lacks do not count, unless that leaves fewer than two.
    """
    measured = values.dropna(how="all")
    complete = measured.dropna(axis="columns")
    k = len(measured)
    if k < 2 or complete.shape[1] < 2:
        return {str(arm): mean_interval(row) for arm, row in values.iterrows()}
    centred = complete - complete.mean(axis="index") + complete.to_numpy().mean()
    found = {str(arm): mean_interval([]) for arm in values.index}
    for arm, row in centred.iterrows():
        estimate = mean_interval(row)
        half = estimate.half * math.sqrt(k / (k - 1))
        found[str(arm)] = Estimate(estimate.mean, estimate.mean - half, estimate.mean + half, estimate.n)
    return found


@dataclass(frozen=True)
class Standing:
    """Who leads a metric: the leader, whether it is separated from every other arm, and those it is level with."""

    leader: str | None
    separated: bool
    level: tuple[str, ...]


def standing(values: pd.DataFrame, higher_is_better: bool) -> Standing:
    """Compare the arm of best mean with each other arm (Holm-corrected) over ``values`` (arm × seed).

    Arms that share fewer than two seeds with the leader can't be told apart from it and count as level; where no
    arm shares two, there is no leader to speak of.
    """
    means = values.apply(lambda row: mean_interval(row).mean, axis=1).dropna()
    if len(means) < 2:
        return Standing(None, False, ())
    leader = str(means.idxmax() if higher_is_better else means.idxmin())
    against = effects(values, [(str(arm), leader) for arm in means.index if arm != leader])
    if all(effect.estimate.n < 2 for effect in against):
        return Standing(None, False, ())
    level = tuple(effect.a for effect in against if not effect.separated)
    return Standing(leader, not level, level)


@dataclass(frozen=True)
class RankAgreement:
    """Kendall's τ_b between two rankings of ``n`` things; the interval is NaN for fewer than five."""

    tau: float
    low: float
    high: float
    n: int


def kendall(x: Mapping[str, float], y: Mapping[str, float]) -> RankAgreement:
    """Rank agreement over the names both have, with the 95 % interval of Fieller, Hartley and Pearson (1957).

    τ_b is the correlation of the signs of all pairs, in which ties count as none (Kendall, 1945). Fisher's z of τ is
    near normal with variance 0.437/(n − 4), which needs n ≥ 5.
    """
    shared = [k for k in x if k in y and math.isfinite(x[k]) and math.isfinite(y[k])]
    if len(shared) < 2:
        return RankAgreement(math.nan, math.nan, math.nan, len(shared))
    a, b = (np.array([values[k] for k in shared]) for values in (x, y))
    signs_a, signs_b = (np.sign(v[:, None] - v) for v in (a, b))
    n, spread = len(shared), math.sqrt(float((signs_a**2).sum() * (signs_b**2).sum()))
    tau = float((signs_a * signs_b).sum()) / spread if spread else math.nan
    if abs(tau) > 1 - 1e-9:
        tau = math.copysign(1.0, tau)
    low = high = math.nan
    if n >= 5 and math.isfinite(tau):
        half = NORMAL.inv_cdf(1 - ALPHA / 2) * math.sqrt(0.437 / (n - 4))
        # Fisher's z is infinite at ±1 and its interval would collapse: the next attainable τ lends its bound.
        next_tau = 1 - 4 / (n * (n - 1))
        low = math.tanh(math.atanh(min(tau, next_tau)) - half) if tau > -1 else -1.0
        high = math.tanh(math.atanh(max(tau, -next_tau)) + half) if tau < 1 else 1.0
    return RankAgreement(tau, low, high, n)


@dataclass(frozen=True)
class Ranking:
    """Friedman's test and Nemenyi's critical difference over arms ranked within each seed (1 is best).

    ``critical_difference`` is the gap of mean ranks above which two arms differ at 5 % over all pairs; ``columns`` are
    the labels of what the arms were ranked within.
    """

    mean_ranks: Mapping[str, float]
    statistic: float
    p: float
    critical_difference: float
    columns: tuple[str, ...]

    @property
    def n(self) -> int:
        """Seeds that every arm has."""
        return len(self.columns)


def friedman(values: pd.DataFrame, higher_is_better: bool) -> Ranking:
    """Rank the arms (rows) within each seed (columns); only seeds that every arm has count.

    χ²_F = 12 n / (k (k + 1)) · (Σ R̄ⱼ² − k (k + 1)² / 4) with the correction for ties (Friedman, 1937);
    CD = q_α √(k (k + 1) / (6 n)), q_α the studentized range at infinite freedom over √2 (Demšar, 2006).

    Raises:
        ValueError: fewer than three arms or two complete seeds, or arms that are equal in every seed.
    """
    complete = values.replace([np.inf, -np.inf], np.nan).dropna(axis="columns")
    k, n = complete.shape
    if k < 3 or n < 2:
        raise ValueError(f"Friedman's test needs at least 3 arms and 2 seeds that all arms have; there are {k} and {n}")
    if (complete.nunique(axis="index") == 1).all():
        raise ValueError("all arms are equal in every seed: there is nothing to rank")
    ranks = complete.rank(axis="index", ascending=not higher_is_better)
    means = ranks.mean(axis="columns")
    tied = sum(float((counts**3 - counts).sum()) for _, column in ranks.items() for counts in [column.value_counts()])
    squares = float((means**2).sum()) - k * (k + 1) ** 2 / 4
    statistic = 12 * n / (k * (k + 1)) * squares / (1 - tied / (n * k * (k**2 - 1)))
    gap = studentized_range(1 - ALPHA, k) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n))
    mean_ranks = {str(arm): float(rank) for arm, rank in means.sort_values().items()}
    return Ranking(mean_ranks, statistic, chi_squared_tail(statistic, k - 1), gap, tuple(map(str, complete.columns)))


@dataclass(frozen=True)
class PowerLaw:
    """y = scale · x^exponent, fitted by least squares in logarithms; the interval is NaN for fewer than 3 points."""

    exponent: float
    scale: float
    low: float
    high: float


def power_law(x: Sequence[float], y: Sequence[float]) -> PowerLaw:
    """Slope of log y over log x with its 95 % interval.

    Raises:
        ValueError: fewer than two distinct positive x.
    """
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(b) and a > 0 and b > 0]
    if len({a for a, _ in pairs}) < 2:
        raise ValueError("a slope needs at least two different sizes")
    u, v = np.log(pairs).T
    width = float(((u - u.mean()) ** 2).sum())
    slope = float((u - u.mean()) @ (v - v.mean())) / width
    intercept = float(v.mean() - slope * u.mean())
    half = math.nan
    if len(pairs) > 2:
        error = math.sqrt(float(((v - intercept - slope * u) ** 2).sum()) / (len(pairs) - 2) / width)
        half = student_quantile(1 - ALPHA / 2, len(pairs) - 2) * error
    return PowerLaw(slope, math.exp(intercept), slope - half, slope + half)
