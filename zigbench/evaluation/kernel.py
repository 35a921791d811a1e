"""Kernel distance (KID): the squared maximum mean discrepancy under a cubic kernel, averaged over subsets.

Bińkowski et al., "Demystifying MMD GANs" (2018). Unlike a Fréchet distance its expectation does not depend on the
number of samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

from zigbench.evaluation.bootstrap import interval
from zigbench.record import Measurement

if TYPE_CHECKING:
    from zigbench.evaluation.catalogue import Metric
    from zigbench.evaluation.material import Material

SUBSETS = 100
SUBSET_SIZE = 1_000

ROWS = 1_000
"""Kernels are held for this many samples at once."""


def subset_size(samples: int, references: int) -> int:
    """1,000 as usual; half of the smaller set where that holds fewer than 2,000, so that subsets still differ."""
    return max(2, min(SUBSET_SIZE, samples // 2, references // 2))


def kernel_distance(features: Tensor, reference: Tensor, *, subsets: int = SUBSETS, size: int) -> tuple[float, float]:
    """Mean and standard deviation of the distance over random subsets.

    Args:
        features: of the samples, (N, D).
        reference: of the reference images, (M, D).
        subsets: how many.
        size: features in each, drawn without replacement from either set.

    Raises:
        ValueError: a subset larger than one of the sets.
    """
    if size > min(len(features), len(reference)):
        raise ValueError(
            f"KID takes subsets of {size}, but there are {len(features)} samples and {len(reference)} references"
        )
    found = kid_features_to_metric(
        features.double(), reference.double(), kid_subsets=subsets, kid_subset_size=size, verbose=False
    )
    return float(found[KEY_METRIC_KID_MEAN]), float(found[KEY_METRIC_KID_STD])


def resampler(features: Tensor, reference: Tensor) -> Callable[[Tensor], float]:
    """The distance of the samples in given rows, over all pairs; a sample is never paired with its own copy."""
    x, y = features.double(), reference.double()
    width = x.shape[1]
    within = (x @ x.T / width + 1) ** 3
    within.fill_diagonal_(0)
    across = torch.cat([((rows @ y.T / width + 1) ** 3).mean(1) for rows in x.split(ROWS)])

    def distance(rows: Tensor) -> float:
        # The references' own term is the same for all resamples and left out: only differences are asked for.
        times = torch.bincount(rows, minlength=len(x)).double()
        pairs = times.sum() ** 2 - times.square().sum()
        return float(times @ within @ times / pairs - 2 * (times @ across) / len(rows))

    return distance


def measure(material: Material, metric: Metric) -> tuple[Measurement, ...]:
    """The mean over subsets, and the deviation under ``…_deviation``."""
    features = material.features(metric)
    reference = material.reference(metric)
    if reference.features is None:
        raise ValueError(f"{metric.name} compares features, and the reference {reference.name!r} holds statistics only")
    size = subset_size(len(features), len(reference.features))
    mean, deviation = kernel_distance(features, reference.features, size=size)
    known = reference.features
    resamples = material.spec.evaluation.bootstrap
    around = interval(mean, lambda: resampler(features, known), len(features), resamples)
    protocol = material.protocol(
        metric,
        estimator=f"unbiased squared MMD, kernel (x·y/D + 1)³, {SUBSETS} subsets of {size}, float64",
        against=reference,
    )
    return (
        Measurement(name=metric.name, value=mean, higher_is_better=False, interval=around, protocol=protocol.hash),
        Measurement(
            name=f"{metric.name}_deviation",
            value=deviation,
            protocol=protocol.hash,
            note="standard deviation over subsets of this run's samples, not over seeds",
        ),
    )
