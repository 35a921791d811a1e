"""Kernel distance (KID): the squared maximum mean discrepancy under a cubic kernel, averaged over subsets.

Bińkowski et al., "Demystifying MMD GANs" (2018). Unlike a Fréchet distance its expectation does not depend on the
number of samples. In DINOv2's features it is KDD (Stein et al., 2023).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

from zigbench.evaluation.feature_context import FeatureContext
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.intervals import UndefinedStatisticError
from zigbench.evaluation.references import Reference
from zigbench.records.record import Measurement

SUBSETS = 100
SUBSET_SIZE = 1_000

ROWS = 1_000
"""Rows of a kernel matrix that are computed at once."""


def subset_size(samples: int, references: int) -> int:
    """Return 1,000, or half of the smaller set if that has fewer than 2,000, so that subsets still differ."""
    return max(2, min(SUBSET_SIZE, samples // 2, references // 2))


def kernel_distance(features: Tensor, reference: Tensor, *, subsets: int = SUBSETS, size: int) -> tuple[float, float]:
    """Return mean and standard deviation of the distance over random subsets.

    Args:
        features: features of the samples, (N, D).
        reference: features of the reference images, (M, D).
        subsets: number of subsets.
        size: number of features in each, drawn without replacement from either set.

    Raises:
        UndefinedStatisticError: a subset is larger than one of the sets.
    """
    if size > min(len(features), len(reference)):
        raise UndefinedStatisticError(
            f"KID takes subsets of {size}, but there are {len(features)} samples and {len(reference)} references"
        )
    values = kid_features_to_metric(
        features.double(), reference.double(), kid_subsets=subsets, kid_subset_size=size, verbose=False
    )
    return float(values[KEY_METRIC_KID_MEAN]), float(values[KEY_METRIC_KID_STD])


def resampled(features: Tensor, reference: Tensor, rows: Tensor) -> list[float]:
    """Return the distance over all pairs of each resample, less the references' own part, equal for all resamples.

    A sample is never paired with its own copy. ``rows`` is int64 (resamples, N).
    """
    x, y = features.double(), reference.double()
    width = x.shape[1]
    times = torch.stack([torch.bincount(which, minlength=len(x)) for which in rows]).double()
    within = torch.zeros(len(rows), dtype=torch.float64)
    across = torch.zeros(len(rows), dtype=torch.float64)
    for start in range(0, len(x), ROWS):
        some = slice(start, start + ROWS)
        kernel = (x[some] @ x.T / width + 1) ** 3
        kernel.diagonal(start).zero_()
        within += (times[:, some] @ kernel * times).sum(1)
        across += times[:, some] @ ((x[some] @ y.T / width + 1) ** 3).mean(1)
    pairs = times.sum(1) ** 2 - times.square().sum(1)
    return (within / pairs - 2 * across / len(x)).tolist()


def reference_features(metric: Metric, reference: Reference) -> tuple[Tensor, str]:
    """Return the features of a reference, float32 (M, D), and words for their number if they are not all of its images.

    Raises:
        UndefinedStatisticError: it has statistics only.
    """
    if reference.features is None:
        raise UndefinedStatisticError(
            f"{metric.name} compares features, and the reference {reference.name!r} has statistics only"
        )
    known = reference.features
    return known, "" if len(known) == reference.count else f", drawn from {len(known)} references"


def measure(context: FeatureContext, metric: Metric) -> tuple[Measurement, ...]:
    """Return the mean over subsets, and the deviation under ``…_deviation``."""
    features = context.features(metric)
    reference = context.reference(metric)
    known, drawn = reference_features(metric, reference)
    size = subset_size(len(features), len(known))
    mean, deviation = kernel_distance(features, known, size=size)
    interval = context.interval(metric, mean, lambda rows: resampled(features, known, rows))
    protocol = context.protocol(
        metric,
        estimator=f"unbiased squared MMD, kernel (x·y/D + 1)³, {SUBSETS} subsets of {size}{drawn}, float64",
        compared_with=reference,
    )
    return (
        Measurement(name=metric.name, value=mean, higher_is_better=False, interval=interval, protocol=protocol.hash),
        Measurement(
            name=f"{metric.name}_deviation",
            value=deviation,
            protocol=protocol.hash,
            note="standard deviation over subsets of this run's samples, not over seeds",
        ),
    )
