"""Paired effects, rank agreement, tests of many arms, and power laws.

Runs of different arms share their seeds (the same initialisation, the same batches, the same held-out noise), so an
effect is the mean of the differences within a seed. The difference varies far less than either arm does.

scipy is imported where it is used: a page without a table of ranks does not wait for ``scipy.stats``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist

import numpy as np
import pandas as pd

ALPHA = 0.05
POWER = 0.8


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` seeds and its 95 % t-interval; the interval is NaN where n < 2, the mean where n = 0."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Effect:
    """The paired difference ``a − b`` over the seeds both arms have.

    Args:
        a, b: names of the arms.
        estimate: mean difference and its uncorrected 95 % interval.
        p: two-sided p-value of the paired t-test; NaN where there are fewer than two pairs.
        p_holm: the same, corrected for the family it was tested in; equal to ``p`` in a family of one.
        differences: the difference of each pair.
    """

    a: str
    b: str
    estimate: Estimate
    p: float
    p_holm: float
    differences: tuple[float, ...] = ()

    @property
    def separated(self) -> bool:
        """True where the corrected test rejects equality at 5 %."""
        return self.p_holm < ALPHA

    @property
    def sign(self) -> int:
        """1 where a is separated above b, −1 where below, 0 where not separated."""
        return int(math.copysign(1, self.estimate.mean)) if self.separated else 0


def mean_interval(values: Iterable[float]) -> Estimate:
    """Return the mean of the finite values with its 95 % t-interval: mean ± t(n − 1) · s/√n."""
    finite = np.array([value for value in values if math.isfinite(value)], dtype=float)
    n = len(finite)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    mean = float(finite.mean())
    if n == 1:
        return Estimate(mean, math.nan, math.nan, 1)
    half = _t_quantile(n - 1) * float(finite.std(ddof=1)) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


@cache
def _t_quantile(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - ALPHA / 2))


def paired_effect(a: pd.Series, b: pd.Series, names: tuple[str, str] = ("a", "b")) -> Effect:
    """Return the effect of ``a`` over ``b``, both indexed by seed; only seeds of both count.

    Where every pair differs by the very same amount the t-test has no variance to work with: its limit is taken,
    p = 0 for a difference and p = 1 for none.
    """
    from scipy.special import stdtr

    differences = (a - b.reindex(a.index)).to_numpy(dtype=float)
    differences = differences[np.isfinite(differences)]
    estimate = mean_interval(differences)
    if estimate.n < 2:
        p = math.nan
    elif (error := float(differences.std(ddof=1)) / math.sqrt(estimate.n)) == 0:
        p = 1.0 if estimate.mean == 0 else 0.0
    else:
        p = 2 * float(stdtr(estimate.n - 1, -abs(estimate.mean) / error))
    return Effect(*names, estimate, p, p, tuple(differences.tolist()))


def sign_flip_p(differences: Sequence[float]) -> float:
    """Return the exact two-sided p of a paired difference when the sign of each pair is random under equality.

    All 2ⁿ choices of signs are counted; NaN for no pair and for more than ten, where the t-test serves. With n pairs
    no p is below 2^(1 − n): three seeds never reach 5 %.
    """
    pairs = np.array([d for d in differences if math.isfinite(d)], dtype=float)
    n = len(pairs)
    if not 1 <= n <= 10:
        return math.nan
    signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    sums = np.abs(signs @ pairs)
    return float(np.mean(sums >= abs(pairs.sum()) * (1 - 1e-12)))


def equivalence_p(differences: Sequence[float], margin: float) -> float:
    """Return the p of two one-sided t-tests (Schuirmann, 1987) of ``|mean difference| < margin``.

    It is below 5 % exactly where the 90 % t-interval of the mean lies within ±margin. NaN for fewer than two pairs.

    Raises:
        ValueError: the margin is not positive.
    """
    from scipy.special import stdtr

    if not margin > 0:
        raise ValueError(f"a margin of equality is positive; it is {margin}")
    pairs = np.array([d for d in differences if math.isfinite(d)], dtype=float)
    if len(pairs) < 2:
        return math.nan
    mean, error = float(pairs.mean()), float(pairs.std(ddof=1)) / math.sqrt(len(pairs))
    distance = margin - abs(mean)
    if error == 0:
        return 0.0 if distance > 0 else 1.0
    return float(stdtr(len(pairs) - 1, -distance / error))


def detectable_effect(differences: Sequence[float]) -> float:
    """Return the smallest mean difference that a paired t-test at 5 % finds with probability 80 %.

    The deviation of the pairs is taken to be the one observed: δ with power(δ √n / s) = 0.8 under the noncentral
    t-distribution; the other tail has less than one in a thousand of it. NaN for fewer than two pairs.
    """
    from scipy.optimize import brentq
    from scipy.stats import nct

    pairs = np.array([d for d in differences if math.isfinite(d)], dtype=float)
    n = len(pairs)
    if n < 2:
        return math.nan
    critical = _t_quantile(n - 1)

    def shortfall(shift: float) -> float:
        return float(nct.sf(critical, n - 1, shift)) - POWER

    error = float(pairs.std(ddof=1)) / math.sqrt(n)
    return error * float(brentq(shortfall, 0.0, 3 * critical + 3))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down correction (1979): p₍ᵢ₎ · (m − i + 1), monotone and at most 1; NaN is not counted."""
    adjusted = [math.nan] * len(p_values)
    known = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i])
    running = 0.0
    for position, index in enumerate(known):
        running = max(running, min(1.0, p_values[index] * (len(known) - position)))
        adjusted[index] = running
    return adjusted


def effects(values: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> tuple[Effect, ...]:
    """Return the paired effects of pairs of rows of ``values`` (arm × seed), Holm-corrected together as one family.

    Pairs of the very same values are one test and count once: where an axis has no bearing on a metric, as a
    sampler's steps have none on a loss, each of its points repeats the test.
    """
    uncorrected = [paired_effect(values.loc[a], values.loc[b], (a, b)) for a, b in pairs]
    tests = [(values.loc[a].to_numpy().tobytes(), values.loc[b].to_numpy().tobytes()) for a, b in pairs]
    family = {test: effect.p for test, effect in zip(tests, uncorrected, strict=True)}
    corrected = dict(zip(family, holm(list(family.values())), strict=True))
    return tuple(replace(effect, p_holm=corrected[test]) for test, effect in zip(tests, uncorrected, strict=True))


def within_seeds(values: pd.DataFrame) -> dict[str, Estimate]:
    """Return the mean of each arm (row) with its interval within seeds (Cousineau, 2005; Morey, 2008).

    Each seed's mean over the arms is moved to the grand mean, which removes the variation that all arms share, and the
    variance is scaled by k/(k − 1). Seeds that some arm lacks do not count, unless that leaves fewer than two.
    """
    measured = values.dropna(how="all")
    complete = measured.dropna(axis="columns")
    k = len(measured)
    if k < 2 or complete.shape[1] < 2:
        return {str(arm): mean_interval(row) for arm, row in values.iterrows()}
    centred = complete - complete.mean(axis="index") + complete.to_numpy().mean()
    estimates = {str(arm): mean_interval([]) for arm in values.index}
    for arm, row in centred.iterrows():
        estimate = mean_interval(row)
        half = estimate.half * math.sqrt(k / (k - 1))
        estimates[str(arm)] = Estimate(estimate.mean, estimate.mean - half, estimate.mean + half, estimate.n)
    return estimates


@dataclass(frozen=True)
class Standing:
    """The arm that leads a metric, whether it is separated from every other arm, and the arms it is level with."""

    leader: str | None
    separated: bool
    level: tuple[str, ...]


def standing(values: pd.DataFrame, higher_is_better: bool) -> Standing:
    """Compare the arm of best mean with each other arm (Holm-corrected) over ``values`` (arm × seed).

    Arms that share fewer than two seeds with the leader are not separated from it and count as level; where no
    arm shares two, there is no leader.
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
    """Return Kendall's τ_b over the names both have, with the 95 % interval of Fieller, Hartley and Pearson (1957).

    Fisher's z of τ is near normal with variance 0.437/(n − 4), which needs n ≥ 5.
    """
    from scipy.stats import kendalltau

    shared = [k for k in x if k in y and math.isfinite(x[k]) and math.isfinite(y[k])]
    n = len(shared)
    if n < 2:
        return RankAgreement(math.nan, math.nan, math.nan, n)
    tau = float(kendalltau([x[k] for k in shared], [y[k] for k in shared]).statistic)
    if abs(tau) > 1 - 1e-9:
        tau = math.copysign(1.0, tau)
    low = high = math.nan
    if n >= 5 and math.isfinite(tau):
        half = NormalDist().inv_cdf(1 - ALPHA / 2) * math.sqrt(0.437 / (n - 4))
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
        """Number of seeds that every arm has."""
        return len(self.columns)


def friedman(values: pd.DataFrame, higher_is_better: bool) -> Ranking:
    """Rank the arms (rows) within each seed (columns) and test them; only seeds that every arm has count.

    The critical difference is q_α √(k (k + 1) / (6 n)), q_α the studentized range at infinite freedom over √2
    (Demšar, 2006).

    Raises:
        ValueError: fewer than three arms or two complete seeds, or arms that are equal in every seed.
    """
    from scipy.stats import friedmanchisquare, studentized_range

    complete = values.replace([np.inf, -np.inf], np.nan).dropna(axis="columns")
    k, n = complete.shape
    if k < 3 or n < 2:
        raise ValueError(f"Friedman's test needs at least 3 arms and 2 seeds that all arms have; there are {k} and {n}")
    if (complete.nunique(axis="index") == 1).all():
        raise ValueError("all arms are equal in every seed: there is nothing to rank")
    test = friedmanchisquare(*complete.to_numpy())
    means = complete.rank(axis="index", ascending=not higher_is_better).mean(axis="columns").sort_values()
    gap = studentized_range.ppf(1 - ALPHA, k, np.inf) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n))
    return Ranking(
        {str(arm): float(rank) for arm, rank in means.items()},
        float(test.statistic),
        float(test.pvalue),
        float(gap),
        tuple(map(str, complete.columns)),
    )


@dataclass(frozen=True)
class PowerLaw:
    """y = scale · x^exponent, fitted by least squares in logarithms; the interval is NaN for fewer than 3 points."""

    exponent: float
    scale: float
    low: float
    high: float


def power_law(x: Sequence[float], y: Sequence[float]) -> PowerLaw:
    """Fit log y over log x by least squares; the exponent has a 95 % interval.

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
        half = _t_quantile(len(pairs) - 2) * error
    return PowerLaw(slope, math.exp(intercept), slope - half, slope + half)


def crossover(sizes: Sequence[float], a: Sequence[float], b: Sequence[float]) -> float | None:
    """Return the size from which on ``a`` exceeds ``b`` up to the largest; None where that begins within no interval.

    Between two sizes the ratio a/b is taken to be a power of the size. Sizes that either lacks are left out. None
    says nothing of the order: a may exceed b everywhere, or nowhere at the end.

    Args:
        sizes: sizes in any order, such as numbers of patches.
        a, b: figures at those sizes, such as images a second; NaN where there is none.
    """
    pairs = sorted((n, math.log(x / y)) for n, x, y in zip(sizes, a, b, strict=True) if x > 0 and y > 0)
    last_below = max((i for i, (_, ratio) in enumerate(pairs) if ratio <= 0), default=-1)
    if last_below < 0 or last_below == len(pairs) - 1:
        return None
    (n, before), (m, after) = pairs[last_below : last_below + 2]
    return math.exp(math.log(n) + math.log(m / n) * before / (before - after))
