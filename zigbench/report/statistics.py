"""Paired effects, their tests and families of tests, outliers, and power laws.

Runs of different arms share their seeds (the same initialisation, the same batches, the same held-out noise), so an
effect is the mean of the differences within a seed. The difference varies far less than either arm does.

scipy.special is imported where it is used, since it is slow to import; scipy.stats, slower still, is not used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

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
    half = t_quantile(n - 1) * float(finite.std(ddof=1)) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


@cache
def t_quantile(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - ALPHA / 2))


def paired_effect(a: pd.Series, b: pd.Series, names: tuple[str, str] = ("a", "b")) -> Effect:
    """Return the effect of ``a`` over ``b``, both indexed by seed; only seeds of both count.

    Where every pair differs by the very same amount the t-test has no variance to work with: its limit is taken,
    p = 0 for a difference and p = 1 for none.
    """
    differences = (a - b.reindex(a.index)).to_numpy(dtype=float)
    differences = differences[np.isfinite(differences)]
    p = paired_p(differences)
    return Effect(*names, mean_interval(differences), p, p, tuple(differences.tolist()))


def paired_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of a t-test of finite paired differences; NaN for fewer than two."""
    from scipy.special import stdtr

    pairs = np.asarray(differences, dtype=float)
    if len(pairs) < 2:
        return math.nan
    mean, error = float(pairs.mean()), float(pairs.std(ddof=1)) / math.sqrt(len(pairs))
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return 2 * float(stdtr(len(pairs) - 1, -abs(mean) / error))


PairKey = tuple[tuple[float, float], ...]
"""The figures of a paired test, whatever its arms are called and whichever comes first."""


def pair_key(a: Iterable[float], b: Iterable[float]) -> PairKey:
    """Return what identifies the test of two arms: their paired figures, those that both have."""
    pairs = sorted((x, y) for x, y in zip(a, b, strict=True) if math.isfinite(x) and math.isfinite(y))
    swapped = sorted((y, x) for x, y in pairs)
    return tuple(min(pairs, swapped))


def corrected_together(tests: Mapping[PairKey, float]) -> dict[PairKey, float]:
    """Return the p-values of a family of tests by their keys, corrected together by Holm's procedure."""
    return dict(zip(tests, holm(list(tests.values())), strict=True))


def interaction_p(groups: Sequence[Sequence[float]]) -> float:
    """Return the p of equal means of groups of differences by Welch's analysis of variance (1951).

    The groups are the data sets, the differences those of one pair of arms over the seeds; the variances of the groups
    need not be equal. With two groups it is Welch's t-test. NaN for fewer than two groups of two or more.
    """
    from scipy.special import fdtrc

    arrays = [np.asarray(group, dtype=float) for group in groups]
    arrays = [array[np.isfinite(array)] for array in arrays]
    arrays = [array for array in arrays if len(array) > 1]
    k = len(arrays)
    if k < 2:
        return math.nan
    means = np.array([array.mean() for array in arrays])
    errors = np.array([array.var(ddof=1) / len(array) for array in arrays])
    if (errors == 0).any():
        return 1.0 if float(np.ptp(means)) == 0 else 0.0
    weights = 1 / errors
    share = weights / weights.sum()
    spread = float((weights * (means - share @ means) ** 2).sum()) / (k - 1)
    unevenness = float(((1 - share) ** 2 / (np.array([len(array) for array in arrays]) - 1)).sum())
    statistic = spread / (1 + 2 * (k - 2) / (k**2 - 1) * unevenness)
    return float(fdtrc(k - 1, (k**2 - 1) / (3 * unevenness), statistic))


def mean_of_groups(groups: Sequence[Sequence[float]]) -> Estimate:
    """Return the mean of the groups' means, weighted alike, with its 95 % interval over what varies within them.

    Degrees of freedom are those of Welch and Satterthwaite; NaN bounds where a group has fewer than two.
    """
    from scipy.special import stdtrit

    arrays = [np.asarray(group, dtype=float) for group in groups]
    arrays = [array[np.isfinite(array)] for array in arrays]
    n = sum(map(len, arrays))
    if not arrays or any(len(array) == 0 for array in arrays):
        return Estimate(math.nan, math.nan, math.nan, 0)
    mean = float(np.mean([array.mean() for array in arrays]))
    if any(len(array) < 2 for array in arrays):
        return Estimate(mean, math.nan, math.nan, n)
    errors = np.array([array.var(ddof=1) / len(array) for array in arrays])
    if (total := float(errors.sum())) == 0:
        return Estimate(mean, mean, mean, n)
    freedom = total**2 / float((errors**2 / np.array([len(array) - 1 for array in arrays])).sum())
    half = float(stdtrit(freedom, 1 - ALPHA / 2)) * math.sqrt(total) / len(arrays)
    return Estimate(mean, mean - half, mean + half, n)


def outliers(values: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the cells (arm, seed) of ``values`` that lie far from the median of their arm, arms in their order.

    A seed moves all arms together; its median shift is taken off first where there are three arms or more. A cell is
    far where its distance from the arm's median is more than 3.5 / 0.6745 times the median of such distances (Iglewicz
    and Hoaglin, 1993), of the arm's own or of all that are not 0, whichever is larger; twice that where the arm has
    three runs, of which two lie close together by luck. An arm of fewer has none.
    """
    centred = values.sub(values.median(axis="columns"), axis="index")
    if values.notna().any(axis="columns").sum() >= 3:
        centred = centred - centred.median(axis="index")
    distances = centred.sub(centred.median(axis="columns"), axis="index").abs()
    own, counts = distances.median(axis="columns"), values.notna().sum(axis="columns")
    pooled = distances[counts >= 3].to_numpy(dtype=float)
    pooled = pooled[pooled > 0]
    usual = float(np.median(pooled)) if len(pooled) else math.nan
    cells = []
    for arm in values.index[counts >= 3]:
        limit = 3.5 / 0.6745 * max(float(own[arm]), usual) * (2 if counts[arm] == 3 else 1)
        cells += [(str(arm), str(s)) for s in values.columns if limit > 0 and float(distances.loc[arm, s]) > limit]
    return cells


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
    pairs = np.array([d for d in differences if math.isfinite(d)], dtype=float)
    n = len(pairs)
    if n < 2:
        return math.nan
    return float(pairs.std(ddof=1)) / math.sqrt(n) * _detectable_shift(n - 1)


@cache
def _detectable_shift(freedom: int) -> float:
    """Return the noncentrality at which a t-statistic is above its critical value with probability 80 %."""
    from scipy.special import nctdtr

    critical = t_quantile(freedom)
    return root(lambda shift: POWER - (1 - float(nctdtr(freedom, shift, critical))), 0.0, 3 * critical + 3)


def root(decreasing: Callable[[float], float], low: float, high: float) -> float:
    """Return the zero of a decreasing function between two bounds by bisection, to the last bits."""
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if decreasing(middle) > 0 else (low, middle)
    return (low + high) / 2


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down correction (1979): p₍ᵢ₎ · (m − i + 1), monotone and at most 1; NaN is not counted."""
    adjusted = [math.nan] * len(p_values)
    known = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i])
    running = 0.0
    for position, index in enumerate(known):
        running = max(running, min(1.0, p_values[index] * (len(known) - position)))
        adjusted[index] = running
    return adjusted


def effects(
    values: pd.DataFrame, pairs: Sequence[tuple[str, str]], known: Mapping[PairKey, float] | None = None
) -> tuple[Effect, ...]:
    """Return the paired effects of pairs of rows of ``values`` (arm × seed), Holm-corrected together as one family.

    Pairs of the very same values are one test and count once: where an axis has no bearing on a metric, as a
    sampler's steps have none on a loss, each of its points repeats the test.

    Args:
        values: arm × seed.
        pairs: arms.
        known: corrected p-values of tests of a larger family, which are taken as they are.
    """
    uncorrected = [paired_effect(values.loc[a], values.loc[b], (a, b)) for a, b in pairs]
    tests = [pair_key(values.loc[a], values.loc[b]) for a, b in pairs]
    known = known or {}
    family = {test: e.p for test, e in zip(tests, uncorrected, strict=True) if test not in known}
    corrected = {**corrected_together(family), **known}
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
    """The arm that leads a metric, whether it is separated from every other arm, and the arms equal to it."""

    leader: str | None
    separated: bool
    level: tuple[str, ...]


def standing(
    values: pd.DataFrame,
    higher_is_better: bool,
    margin: float | None = None,
    known: Mapping[PairKey, float] | None = None,
) -> Standing:
    """Compare the arm of best mean with each other arm (Holm-corrected) over ``values`` (arm × seed).

    Where no arm shares two seeds with the best, there is no leader. An arm that is not separated from the leader is
    not therefore equal to it: it counts as level only where two one-sided tests show it.

    Args:
        values: arm × seed.
        higher_is_better: the direction that is better.
        margin: difference below which two arms count as equal; None where no equality is claimed.
        known: corrected p-values of a larger family of tests, as of :func:`effects`.
    """
    means = values.apply(lambda row: mean_interval(row).mean, axis=1).dropna()
    if len(means) < 2:
        return Standing(None, False, ())
    leader = str(means.idxmax() if higher_is_better else means.idxmin())
    against = effects(values, [(str(arm), leader) for arm in means.index if arm != leader], known)
    if all(effect.estimate.n < 2 for effect in against):
        return Standing(None, False, ())
    separated = all(effect.separated for effect in against)
    level = tuple(e.a for e in against if margin is not None and equivalence_p(e.differences, margin) < ALPHA)
    return Standing(leader, separated, level)


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
        half = t_quantile(len(pairs) - 2) * error
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
