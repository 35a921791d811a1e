"""Held-out velocity loss, with its reference predictors beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from zigbench.evaluation.context import EvaluationContext
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.linear_predictors import reference_predictors
from zigbench.evaluation.references import unlabelled_hash
from zigbench.evaluation.triples import SEED, image_of_triple
from zigbench.interpolant import Interpolant
from zigbench.records.record import Measurement

BINS = 16
"""Number of equal bins of t whose mean losses are recorded beside the mean."""


def bin_means(t: Tensor, values: Tensor, bins: int = BINS) -> tuple[float, ...]:
    """Return the mean of ``values`` in each of ``bins`` equal bins of t over [0, 1] that is not empty."""
    where = (t * bins).long().clamp(0, bins - 1)
    return tuple(float(values[where == k].mean()) for k in range(bins) if bool((where == k).any()))


def measure(context: EvaluationContext, metric: Metric) -> tuple[Measurement, ...]:
    """Return the mean over all triples and, of the finished network, more beside the loss.

    These are the same mean of each reference predictor and, where the split's samples come in groups, the network's
    mean over each group, as ``held_out_loss[astronaut]``. ``samples`` of each holds the means of the bins of t.
    """
    errors = context.held_out_errors()
    values = errors.token_0 if metric.name == "held_out_loss_token_0" else errors.loss
    measurements = [_measurement(context, metric, errors.t, values)]
    if metric.predictors and context.step is None:
        for group, chosen in _groups(context, len(values)).items():
            named = replace(metric, name=f"{metric.name}[{group}]")
            measurements.append(_measurement(context, named, errors.t[chosen], values[chosen]))
        split = context.data.split("train")
        fitted = f"moments of {len(split)} training images ({split.content_hash[:16]})"
        for name, predictor in reference_predictors(split):
            errors = context.errors_of(predictor, Interpolant())
            named = replace(metric, name=f"{metric.name}_{name}")
            network = f"reference predictor {name}" + ("" if name == "zero" else f", {fitted}")
            measurements.append(
                _measurement(context, named, errors.t, errors.loss, network=network, precision="float64")
            )
    return tuple(measurements)


def _groups(context: EvaluationContext, count: int) -> dict[str, list[int]]:
    """Return the triples of each group of held-out samples; none where the split's samples come in no groups."""
    split: Any = context.held_out
    chosen: dict[str, list[int]] = {}
    if getattr(split, "groups", None) is None:
        return {}
    for index in range(count):
        image = image_of_triple(index, count, len(split), context.spec.evaluation.triples)
        chosen.setdefault(split.groups[image], []).append(index)
    return chosen


def _measurement(context: EvaluationContext, metric: Metric, t: Tensor, values: Tensor, **facts: Any) -> Measurement:
    protocol = context.protocol(
        metric,
        estimator=f"mean squared velocity error of {len(values)} triples, seed {SEED}, stratified t",
        triples=context.spec.evaluation.triples,
        reference=context.held_out.name,
        reference_split="held-out",
        reference_count=len(context.held_out),
        reference_hash=context.held_out.content_hash,
        reference_unlabelled=unlabelled_hash(context.held_out),
        **facts,
    )
    return Measurement(
        name=metric.name,
        value=float(values.mean()),
        higher_is_better=False,
        samples=bin_means(t, values),
        protocol=protocol.hash,
    )
