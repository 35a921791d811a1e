"""Intervals by resampling the generated samples; the reference images are held fixed.

A resample repeats some samples, which biases most of these metrics: a covariance shrinks, a coverage falls. What is
used is therefore the spread of the resampled figures about their own mean, laid about the figure itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

SEED = 2_024
LEVEL = 0.95


def resampled_rows(count: int, resamples: int) -> Tensor:
    """Rows of each resample of ``count`` samples, int64 (resamples, count); the same at every call."""
    generator = np.random.Generator(np.random.Philox(key=SEED))
    return torch.from_numpy(generator.integers(0, count, (resamples, count)))


def interval(
    value: float, figures: Callable[[Tensor], Sequence[float]], count: int, resamples: int, together: int = 1
) -> tuple[float, float] | None:
    """95 % interval of a figure of ``count`` samples; None for no resamples.

    Args:
        value: the figure.
        figures: the figure, or one that varies like it, of each resample, given their rows (resamples, count).
        count: rows of features.
        resamples: how many.
        together: neighbouring rows that are of one sample, and so drawn together: the frames of a clip.
    """
    if not resamples:
        return None
    rows = resampled_rows(count // together, resamples)
    if together > 1:
        rows = (rows[..., None] * together + torch.arange(together)).flatten(1)
    draws = np.array(figures(rows))
    low, high = np.quantile(draws - draws.mean(), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return value + float(low), value + float(high)
