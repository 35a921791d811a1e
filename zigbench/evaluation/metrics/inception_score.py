"""Inception score: exp of the mutual information between a sample and its class under the extractor.

Salimans et al., "Improved techniques for training GANs" (2016). It looks at no reference image.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

from zigbench.evaluation.feature_context import FeatureContext
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.intervals import UndefinedStatisticError
from zigbench.records.record import Measurement

SPLITS = 10


def inception_score(logits: Tensor, splits: int = SPLITS) -> tuple[float, float]:
    """Return mean and standard deviation over ``splits`` parts of the logits (N, classes).

    Raises:
        UndefinedStatisticError: there are fewer samples than parts.
    """
    if len(logits) < splits:
        raise UndefinedStatisticError(f"{len(logits)} samples cannot be split into {splits} parts; take more")
    values = isc_features_to_metric(logits, splits=splits)
    return float(values[KEY_METRIC_ISC_MEAN]), float(values[KEY_METRIC_ISC_STD])


def resampled(logits: Tensor, rows: Tensor) -> list[float]:
    """Return the score, without splits, of each resample of the samples; ``rows`` is int64 (resamples, N)."""
    p = logits.double().softmax(1)
    negative_entropy = (p * logits.double().log_softmax(1)).sum(1)

    def score(which: Tensor) -> float:
        marginal = p[which].mean(0)
        return float((negative_entropy[which].mean() - torch.xlogy(marginal, marginal).sum()).exp())

    return [score(which) for which in rows]


def measure(context: FeatureContext, metric: Metric) -> tuple[Measurement, ...]:
    """Return the mean over splits, and the deviation under ``…_deviation``."""
    logits = context.features(metric)
    mean, deviation = inception_score(logits)
    interval = context.interval(metric, mean, lambda rows: resampled(logits, rows))
    protocol = context.protocol(metric, estimator=f"mean over {SPLITS} splits, samples shuffled, float64")
    return (
        Measurement(name=metric.name, value=mean, higher_is_better=True, interval=interval, protocol=protocol.hash),
        Measurement(
            name=f"{metric.name}_deviation",
            value=deviation,
            protocol=protocol.hash,
            note="standard deviation over splits of this run's samples, not over seeds",
        ),
    )
