"""Rankings of arms: agreement with published figures, and tests of many arms by their ranks within each seed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from zigbench.report.statistics import ALPHA, root


@dataclass(frozen=True)
class RankAgreement:
    """Kendall's τ_b between a ranking of ``n`` things and the means of what was measured of them over seeds.

    Args:
        tau: of the means over all seeds.
        low, high: 95 % bootstrap interval over the seeds; NaN for fewer than two of them.
        n: number of things.
        single: τ within each seed alone.
    """

    tau: float
    low: float
    high: float
    n: int
    single: tuple[float, ...] = ()


RESAMPLES = 2_000
"""Resamples of the seeds; of up to four seeds all are drawn, each once."""


def kendall(published: Mapping[str, float], measured: pd.DataFrame) -> RankAgreement:
    """Return Kendall's τ_b between published figures and the measured means, with its interval over the seeds.

    The arms are fixed and the seeds are what varies: seeds are resampled with replacement, all arms together, and the
    interval is from the 2.5 % to the 97.5 % quantile of τ.

    Args:
        published: by arm.
        measured: arm × seed, of which seeds that every one of these arms has are used; higher is better where it is
            in ``published``.
    """
    shared = [arm for arm in published if arm in measured.index and math.isfinite(published[arm])]
    known = measured.loc[shared].dropna(how="all")
    arms, n = [str(arm) for arm in known.index], len(known)
    reference = np.array([published[arm] for arm in arms])
    if n < 2:
        return RankAgreement(math.nan, math.nan, math.nan, n)
    tau = _tau(reference, known.mean(axis="columns").to_numpy()[None])[0]
    complete = known.dropna(axis="columns").to_numpy()
    seeds = complete.shape[1]
    if seeds < 2:
        return RankAgreement(float(tau), math.nan, math.nan, n)
    if seeds <= 4:
        drawn = np.array(list(itertools.product(range(seeds), repeat=seeds)))
    else:
        drawn = np.random.default_rng(0).integers(0, seeds, (RESAMPLES, seeds))
    taus = _tau(reference, complete[:, drawn].mean(axis=2).T)
    single = _tau(reference, complete.T)
    low, high = np.nanquantile(taus, [ALPHA / 2, 1 - ALPHA / 2]) if np.isfinite(taus).any() else (math.nan, math.nan)
    return RankAgreement(float(tau), float(low), float(high), n, tuple(map(float, single)))


def _tau(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return Kendall's τ_b of x (n,) with each row of ``rows`` (m, n); NaN where one of them is all ties."""
    first, second = np.triu_indices(len(x), 1)
    a = np.sign(x[first] - x[second])
    b = np.sign(rows[:, first] - rows[:, second])
    size = np.sqrt(float((a != 0).sum()) * (b != 0).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(size > 0, (b @ a) / size, math.nan)


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
    from scipy.special import chdtrc

    complete = values.replace([np.inf, -np.inf], np.nan).dropna(axis="columns")
    k, n = complete.shape
    if k < 3 or n < 2:
        raise ValueError(f"Friedman's test needs at least 3 arms and 2 seeds that all arms have; there are {k} and {n}")
    if (complete.nunique(axis="index") == 1).all():
        raise ValueError("all arms are equal in every seed: there is nothing to rank")
    ranked = complete.rank(axis="index", ascending=not higher_is_better)
    means = ranked.mean(axis="columns").sort_values()
    # Friedman (1937), with the correction for ties: the spread of the rank sums over that of the ranks within seeds.
    spread = float(((ranked.sum(axis="columns") - n * (k + 1) / 2) ** 2).sum())
    statistic = (k - 1) * spread / float(((ranked - (k + 1) / 2) ** 2).to_numpy().sum())
    gap = _range_quantile(k) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n))
    return Ranking(
        {str(arm): float(rank) for arm, rank in means.items()},
        statistic,
        float(chdtrc(k - 1, statistic)),
        gap,
        tuple(map(str, complete.columns)),
    )


@cache
def _range_quantile(k: int) -> float:
    """Return the 95 % quantile of the range of k standard normals, the studentized range at infinite freedom.

    Its distribution function at q is k ∫ φ(z) (Φ(z) − Φ(z − q))^(k − 1) dz over the place z of the largest.
    """
    from scipy.special import ndtr

    z = np.linspace(-8.0, 9.0, 4_001)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    below, step = ndtr(z), float(z[1] - z[0])
    return root(lambda q: 1 - ALPHA - k * step * float((density * (below - ndtr(z - q)) ** (k - 1)).sum()), 0.0, 20.0)
