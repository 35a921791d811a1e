"""Ratio of a Fréchet distance to that of held-out real images, and its mean over several extractors.

Features differ in scale, and so do distances in them; over the distance that real images have to the same reference a
figure has one scale: 1 is as far as real images that were never trained on. The mean over extractors is that of Yang et
al., "Representation Fréchet loss for visual generation" (arXiv 2604.28190), FDrᵏ.
"""

from __future__ import annotations

from zigbench.evaluation.feature_context import FeatureContext
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.frechet import distance_between, frechet_distance, resampled
from zigbench.evaluation.metrics.intervals import UndefinedStatisticError
from zigbench.records.record import Measurement
from zigbench.spec import registry


def measure(context: FeatureContext, metric: Metric) -> tuple[Measurement, ...]:
    """Return the samples' distance to the reference over that of the held-out real images.

    Raises:
        UndefinedStatisticError: the held-out images are the reference, so their distance is 0.
    """
    features = context.features(metric)
    reference, real = context.reference(metric), context.held_out_reference(metric)
    if real.content_hash == reference.content_hash:
        raise UndefinedStatisticError("the reference is the held-out images, whose own distance is 0")
    unit = distance_between(real, reference)
    value = frechet_distance(features, reference) / unit
    protocol = context.protocol(
        metric,
        estimator="Fréchet distance of fitted Gaussians, covariance over N − 1, float64, over that of "
        f"{real.count} held-out real images ({real.content_hash[:16]})",
        compared_with=reference,
    )
    interval = context.interval(
        metric, value, lambda rows: [d / unit for d in resampled(features, reference, rows, context.device)]
    )
    unequal = "" if real.count == len(features) else f"{real.count} real images against {len(features)} samples: "
    return (
        Measurement(
            name=metric.name,
            value=value,
            higher_is_better=False,
            interval=interval,
            protocol=protocol.hash,
            note=unequal and f"{unequal}the distance of fewer images lies higher",
        ),
    )


def mean(context: FeatureContext, metric: Metric) -> tuple[Measurement, ...]:
    """Return the mean of the ratios that the metric names as its parts, and these ratios."""
    ratios = [measure(context, registry.metrics.get(name))[0] for name in metric.parts]
    values = [ratio.value for ratio in ratios if ratio.value is not None]
    protocol = context.protocol(
        metric, estimator="mean of " + ", ".join(f"{ratio.name} ({ratio.protocol})" for ratio in ratios)
    )
    whole = Measurement(
        name=metric.name,
        value=sum(values) / len(values),
        higher_is_better=False,
        samples=tuple(values),
        protocol=protocol.hash,
    )
    return (whole, *ratios)
