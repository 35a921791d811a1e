"""Intervals by resampling the generated samples; the reference images are held fixed.

A resample repeats some samples, which biases most of these metrics: a covariance shrinks, a coverage falls. What is
used is therefore the spread of the resampled figures about their own mean, laid about the figure itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

SEED = 2_024
LEVEL = 0.95


def resampled_rows(count: int, resamples: int) -> list[Tensor]:
    """Rows of each resample of ``count`` samples, int64 (count,); the same at every call."""
    generator = np.random.Generator(np.random.Philox(key=SEED))
    return [torch.from_numpy(generator.integers(0, count, count)) for _ in range(resamples)]


def interval(
    value: float, prepare: Callable[[], Callable[[Tensor], float]], count: int, resamples: int
) -> tuple[float, float] | None:
    """95 % interval of a figure of ``count`` samples; None for no resamples.

    Args:
        value: the figure.
        prepare: called once if there are resamples; returns the figure, or one that varies like it, as a function of
            the rows of the samples it is of.
        count: number of samples.
        resamples: how many.
    """
    if not resamples:
        return None
    statistic = prepare()
    draws = np.array([statistic(rows) for rows in resampled_rows(count, resamples)])
    low, high = np.quantile(draws - draws.mean(), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return value + float(low), value + float(high)
