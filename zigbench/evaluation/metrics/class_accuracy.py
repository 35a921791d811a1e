"""How often the digit classifier gives a class-conditional sample the class it was made for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zigbench.evaluation.extractors.digit_classifier import DigitFeatures
from zigbench.records.record import Measurement

if TYPE_CHECKING:
    from zigbench.evaluation.context import EvaluationContext
    from zigbench.evaluation.metrics.catalogue import Metric

Z = 1.959964
"""Two-sided 95 % quantile of the standard normal."""


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share; Wilson (1927). Stays within [0, 1] and is right for shares near the ends."""
    share = successes / trials
    scale = 1 + Z**2 / trials
    centre = (share + Z**2 / (2 * trials)) / scale
    half = Z / scale * (share * (1 - share) / trials + Z**2 / (4 * trials**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def measure(context: EvaluationContext, metric: Metric) -> tuple[Measurement, ...]:
    """The share recognised, and the classifier's own accuracy on held-out digits, its ceiling."""
    labels = context.samples().labels
    if labels is None:
        raise ValueError(f"{metric.name} asks whether samples show their class, and these have none")
    logits = context.features(metric)
    right = int((logits.argmax(1) == labels).sum())
    protocol = context.protocol(metric, estimator="share of samples whose likeliest class is their label")
    classifier = context.extractor("digits")
    assert isinstance(classifier, DigitFeatures)
    return (
        Measurement(
            name=metric.name,
            value=right / len(labels),
            higher_is_better=True,
            interval=wilson_interval(right, len(labels)),
            protocol=protocol.hash,
        ),
        Measurement(
            name="classifier_accuracy",
            value=classifier.accuracy,
            higher_is_better=True,
            note="of the digit classifier on the held-out digits",
        ),
    )
