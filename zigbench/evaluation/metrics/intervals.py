"""Intervals of one run's figures: by resampling its samples, and of a share in closed form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.special import stdtrit
from torch import Tensor

SEED = 2_024
"""Seed of the resamples, the same at every call."""

LEVEL = 0.95

Z = 1.959964
"""Two-sided 95 % quantile of the standard normal distribution."""


class UndefinedStatisticError(ValueError):
    """A figure that is not defined on so few samples. The run stands; its measurement has no value and this message."""


def resampled_rows(count: int, resamples: int) -> Tensor:
    """Return the rows of each resample of ``count`` samples, int64 (resamples, count); the same at every call."""
    generator = np.random.Generator(np.random.Philox(key=SEED))
    return torch.from_numpy(generator.integers(0, count, (resamples, count)))


def bootstrap_interval(
    value: float,
    resample: Callable[[Tensor], Sequence[float]],
    count: int,
    resamples: int,
    rows_per_sample: int = 1,
) -> tuple[float, float] | None:
    """Return the 95 % interval of a figure of ``count`` rows of features; None for no resamples.

    None, too, where a resample has no figure, as of few rows: all of one resample may be the same one.

    A resample repeats some samples, which biases most figures: a covariance shrinks, a coverage falls. The interval is
    therefore the spread of the resampled figures about their own mean, centred on the figure itself. The reference
    images are not resampled.

    Args:
        value: the figure.
        resample: the figure, or one that varies like it, of each resample, given their rows (resamples, count).
        count: number of rows of features.
        resamples: number of resamples.
        rows_per_sample: number of neighbouring rows that belong to one sample and are drawn together, such as a clip's
            frames.
    """
    if not resamples:
        return None
    rows = resampled_rows(count // rows_per_sample, resamples)
    if rows_per_sample > 1:
        rows = (rows[..., None] * rows_per_sample + torch.arange(rows_per_sample)).flatten(1)
    draws = np.array(resample(rows))
    if not np.isfinite(draws).all():
        return None
    low, high = np.quantile(draws - draws.mean(), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return value + float(low), value + float(high)


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of at least two values, and half of its 95 % t-interval."""
    count = len(values)
    quantile = float(stdtrit(count - 1, (1 + LEVEL) / 2))
    return float(np.mean(values)), quantile * float(np.std(values, ddof=1)) / count**0.5


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share; Wilson (1927). It stays within [0, 1] and holds for shares near the ends."""
    share = successes / trials
    scale = 1 + Z**2 / trials
    centre = (share + Z**2 / (2 * trials)) / scale
    half = Z / scale * (share * (1 - share) / trials + Z**2 / (4 * trials**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)
