"""Fréchet distance extrapolated to infinitely many samples.

The covariance of N samples is off by an amount of order 1/N, so the Fréchet distance of N samples lies above that of
the distribution by a term that is linear in 1/N, with a slope that differs from network to network. The distances of
subsets of several sizes are fitted by a line in 1/N, whose value at 1/N = 0 is the figure; Chong and Forsyth,
"Effectively unbiased FID and inception score and where to find them" (2020), section 3. The bias that the number of
reference images brings is the same for all networks and stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from zigbench.evaluation.feature_context import FeatureContext
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.frechet import resampled
from zigbench.evaluation.metrics.intervals import UndefinedStatisticError
from zigbench.records.record import Measurement

POINTS = 15
"""Sizes of subsets, as the authors took them."""

SEED = 2_020
"""Seed of the subsets, the same at every call."""


def subset_sizes(count: int, width: int) -> tuple[int, ...]:
    """Return the sizes of the subsets, increasing, the last one all ``count`` samples.

    The smallest is a tenth of the samples, as the authors' 5,000 of 50,000, but twice the features' ``width`` where
    half of the samples are that many: below the width a covariance is singular, and the bias not linear in 1/N.

    Raises:
        UndefinedStatisticError: fewer than 20 samples.
    """
    if count < 20:
        raise UndefinedStatisticError(f"{count} samples are too few to extrapolate from; take 20 or more")
    smallest = max(2, count // 10, min(2 * width, count // 2))
    return tuple(dict.fromkeys(int(size) for size in np.linspace(smallest, count, POINTS)))


def subsets(count: int, width: int) -> list[torch.Tensor]:
    """Return the rows of each subset, drawn without replacement, int64 (size,)."""
    generator = np.random.Generator(np.random.Philox(key=SEED))
    return [torch.from_numpy(generator.permutation(count)[:size]) for size in subset_sizes(count, width)]


def intercept(sizes: Sequence[int], distances: Sequence[float]) -> float:
    """Return the value at 1/N = 0 of the line in 1/N that fits the distances of subsets of N with least squares."""
    inverse, values = 1 / np.asarray(sizes, dtype=np.float64), np.asarray(distances, dtype=np.float64)
    centred = inverse - inverse.mean()
    return float(values.mean() - inverse.mean() * (centred @ values) / (centred @ centred))


def measure(context: FeatureContext, metric: Metric) -> tuple[Measurement, ...]:
    """Return the extrapolated distance of the samples' features to the reference's."""
    features = context.features(metric)
    reference = context.reference(metric)
    rows = subsets(len(features), features.shape[1])
    distances = resampled(features, reference, rows, context.device)
    sizes = [len(which) for which in rows]
    protocol = context.protocol(
        metric,
        estimator=f"Fréchet distance of {len(rows)} subsets of {sizes[0]} to {sizes[-1]} samples, seed {SEED}, "
        "extrapolated linearly in 1/N to 0, float64",
        compared_with=reference,
    )
    few = sizes[0] < 2 * features.shape[1]
    return (
        Measurement(
            name=metric.name,
            value=intercept(sizes, distances),
            higher_is_better=False,
            protocol=protocol.hash,
            note=f"{len(features)} samples for {features.shape[1]} dimensions: the bias is not yet linear in 1/N"
            if few
            else "",
        ),
    )
