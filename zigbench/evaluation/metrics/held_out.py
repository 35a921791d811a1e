"""Velocity loss on one fixed set of held-out triples (x*, ε, t), the same for every arm and every seed.

All networks are evaluated on the same triples, so the difference of two losses is free of the noise that the choice of
triples brings. The times are stratified over (0, 1), which lowers the variance of the mean over them.

The loss is taken along the straight path, x_t = t x* + (1 − t) ε with velocity x* − ε, also of networks trained along
another path or for another quantity: such a network is evaluated at the time of equal signal-to-noise ratio on its own
path, and its output is converted (see :mod:`zigbench.interpolant.swap`). Where a conversion is singular, at an end, it
is clamped at the sampling cut-off, as a sampler clamps it; without that a predicted noise would be divided by t, and
the mean would be that of a few divisions by almost nothing. A network that predicts the velocity of the straight path
is neither converted nor clamped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from zigbench.evaluation.metrics.linear_predictors import reference_predictors
from zigbench.interpolant import Interpolant
from zigbench.interpolant.interpolant import prediction_of, spread
from zigbench.interpolant.path.linear import Linear
from zigbench.interpolant.swap import swap
from zigbench.records.record import Measurement
from zigbench.sampling import starting_noise
from zigbench.spec.rng import derive_seed

if TYPE_CHECKING:
    from zigbench.evaluation.context import EvaluationContext
    from zigbench.evaluation.metrics.catalogue import Metric

SEED = 20_240_320
"""Seed of the triples, part of what the figure means: it is the same for all runs."""

BINS = 16
"""Equal bins of t whose mean losses are kept beside the mean."""


@dataclass(frozen=True)
class HeldOutErrors:
    """Squared velocity errors of the triples.

    Attributes:
        t: times, float64 (M,).
        loss: mean squared error over all elements of each triple's image, float64 (M,).
        token_0: the same over the top-left patch (of the first frame), float64 (M,).
    """

    t: Tensor
    loss: Tensor
    token_0: Tensor


def stratified_times(seed: int, count: int) -> Tensor:
    """Return ``count`` times in (0, 1), one from each of as many equal strata, in random order, float64 (count,)."""
    generator = np.random.Generator(np.random.Philox(key=derive_seed(seed, "held-out times")))
    times = (generator.permutation(count) + generator.random(count)) / count
    return torch.from_numpy(np.clip(times, 1e-9, 1 - 1e-9))


def image_of_triple(index: int, count: int, images: int, triples: str) -> int:
    """Return the image of one of ``count`` triples, in [0, images).

    "consecutive" takes image ``index`` modulo ``images``: of fewer triples than images, the first ones alone.
    "strided" takes image ⌊index · images / count⌋: evenly spaced ones, or all equally often up to one.
    """
    return index * images // count if triples == "strided" else index % images


@torch.no_grad()
def held_out_errors(
    model: Any,
    interpolant: Interpolant,
    split: Any,
    *,
    count: int,
    patch: int,
    batch: int,
    triples: str = "consecutive",
    device: torch.device | str = "cpu",
    on_batch: Any = None,
) -> HeldOutErrors:
    """Return the errors of the network's velocity on the fixed triples.

    ‖v_θ(x_t, t) − (x* − ε)‖² per element, along the straight path; no weighting enters. Of a network trained otherwise
    the velocity is taken that follows from its output, so that all paths and predictions are measured alike.

    Args:
        model: maps (x, t, label, context) to its prediction; in evaluation mode.
        interpolant: path and meaning of the prediction.
        split: held-out images.
        count: number of triples M.
        patch: side of a patch.
        batch: triples at once.
        triples: the choice of each triple's image, "consecutive" or "strided"; see :func:`image_of_triple`.
        device: the network's device.
        on_batch: called with the number of triples of each batch.
    """
    if not (isinstance(interpolant.path, Linear) and interpolant.prediction == "velocity"):
        model, interpolant = swap(model, interpolant, "linear")
    times = stratified_times(SEED, count)
    parts: list[tuple[Tensor, Tensor]] = []
    for start in range(0, count, batch):
        indices = range(start, min(start + batch, count))
        chosen = split.batch([image_of_triple(index, count, len(split), triples) for index in indices])
        data = chosen.x.to(device)
        seeds = [derive_seed(SEED, "held-out noise", index) for index in indices]
        noise = starting_noise(seeds, data.shape[1:]).to(device)
        t = times[start : start + len(data)].to(device)
        x = interpolant.interpolate(data, noise, t)
        label = None if chosen.label is None else chosen.label.to(device)
        context = None if chosen.context is None else chosen.context.to(device)
        output = prediction_of(model(x, t.float(), label=label, context=context), x)
        state = interpolant.state(t)
        target = spread(state.dalpha, data) * data + spread(state.dsigma, data) * noise
        error = (output - target).double().square()
        first = error[:, 0] if error.dim() == 5 else error
        parts.append((error.flatten(1).mean(1).cpu(), first[..., :patch, :patch].flatten(1).mean(1).cpu()))
        if on_batch is not None:
            on_batch(len(data))
    return HeldOutErrors(times, torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts]))


def bin_means(t: Tensor, values: Tensor, bins: int = BINS) -> tuple[float, ...]:
    """Mean of ``values`` in each of ``bins`` equal bins of t over [0, 1], from noise to data; empty ones left out."""
    where = (t * bins).long().clamp(0, bins - 1)
    return tuple(float(values[where == k].mean()) for k in range(bins) if bool((where == k).any()))


def measure(context: EvaluationContext, metric: Metric) -> tuple[Measurement, ...]:
    """Return the mean over all triples and, of the finished network, the same of the metric's reference predictors.

    ``samples`` of each holds the means of the bins of t.
    """
    errors = context.held_out_errors()
    values = errors.token_0 if metric.name == "held_out_loss_token_0" else errors.loss
    measurements = [_measurement(context, metric, errors.t, values)]
    if metric.predictors and context.step is None:
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


def _measurement(context: EvaluationContext, metric: Metric, t: Tensor, values: Tensor, **facts: Any) -> Measurement:
    protocol = context.protocol(
        metric,
        estimator=f"mean squared velocity error of {len(values)} triples, seed {SEED}, stratified t",
        triples=context.spec.evaluation.triples,
        reference=context.held_out.name,
        reference_split="held-out",
        reference_count=len(context.held_out),
        reference_hash=context.held_out.content_hash,
        **facts,
    )
    return Measurement(
        name=metric.name,
        value=float(values.mean()),
        higher_is_better=False,
        samples=bin_means(t, values),
        protocol=protocol.hash,
    )
