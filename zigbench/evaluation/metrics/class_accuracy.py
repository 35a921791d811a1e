"""Classifier accuracy: the share of samples to which the digit classifier gives the class of their label."""

from __future__ import annotations

from zigbench.evaluation.context import EvaluationContext
from zigbench.evaluation.extractors.digit_classifier import DigitFeatures
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.intervals import wilson_interval
from zigbench.records.record import Measurement


def measure(context: EvaluationContext, metric: Metric) -> tuple[Measurement, ...]:
    """Return the samples' classifier accuracy, and the classifier's own on held-out digits, its ceiling."""
    labels = context.samples().labels
    if labels is None:
        raise ValueError(f"{metric.name} compares samples with their classes, and these have none")
    logits = context.features(metric)
    correct = int((logits.argmax(1) == labels).sum())
    protocol = context.protocol(metric, estimator="share of samples whose likeliest class is their label")
    classifier = context.extractor("digits")
    assert isinstance(classifier, DigitFeatures)
    return (
        Measurement(
            name=metric.name,
            value=correct / len(labels),
            higher_is_better=True,
            interval=wilson_interval(correct, len(labels)),
            protocol=protocol.hash,
        ),
        Measurement(
            name="classifier_accuracy",
            value=classifier.accuracy,
            higher_is_better=True,
            note="of the digit classifier on the held-out digits",
        ),
    )
