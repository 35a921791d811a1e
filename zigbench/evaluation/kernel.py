"""Kernel distance (KID): the squared maximum mean discrepancy under a cubic kernel, averaged over subsets.

Bińkowski et al., "Demystifying MMD GANs" (2018). Unlike a Fréchet distance its expectation does not depend on the
number of samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

from zigbench.record import Measurement

if TYPE_CHECKING:
    from zigbench.evaluation.catalogue import Metric
    from zigbench.evaluation.material import Material

SUBSETS = 100
SUBSET_SIZE = 1_000


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


def measure(material: Material, metric: Metric) -> tuple[Measurement, ...]:
    """The mean over subsets, and the deviation under ``…_deviation``."""
    features = material.features(metric)
    reference = material.reference(metric)
    if reference.features is None:
        raise ValueError(f"{metric.name} compares features, and the reference {reference.name!r} holds statistics only")
    size = subset_size(len(features), len(reference.features))
    mean, deviation = kernel_distance(features, reference.features, size=size)
    protocol = material.protocol(
        metric,
        estimator=f"unbiased squared MMD, kernel (x·y/D + 1)³, {SUBSETS} subsets of {size}, float64",
        against=reference,
    )
    return (
        Measurement(name=metric.name, value=mean, higher_is_better=False, protocol=protocol.hash),
        Measurement(
            name=f"{metric.name}_deviation",
            value=deviation,
            protocol=protocol.hash,
            note="standard deviation over subsets of this run's samples, not over seeds",
        ),
    )
