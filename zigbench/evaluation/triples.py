"""The held-out triples (x*, ε, t), the same for every arm and every seed, and a network's velocity errors on them.

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

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zigbench.interpolant import Interpolant
from zigbench.interpolant.interpolant import prediction_of, spread
from zigbench.interpolant.path.linear import Linear
from zigbench.interpolant.swap import swap
from zigbench.sampling import starting_noise
from zigbench.spec.rng import derive_seed

SEED = 20_240_320
"""Seed of the triples' noise and times, the same for all runs and part of the meaning of the loss."""


@dataclass(frozen=True)
class HeldOutErrors:
    """Squared velocity errors of M triples.

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
    on_batch: Callable[[int], None] | None = None,
) -> HeldOutErrors:
    """Return the errors of the network's velocity on the fixed triples.

    ‖v_θ(x_t, t) − (x* − ε)‖² per element, along the straight path; no weighting enters. Of a network trained otherwise
    the velocity is taken that follows from its output, so that all paths and predictions are measured alike.

    Args:
        model: the network, in evaluation mode; maps (x, t, label, context) to its prediction.
        interpolant: path and meaning of the prediction.
        split: held-out images.
        count: number of triples M.
        patch: side of a patch.
        batch: number of triples that are evaluated at once.
        triples: the choice of each triple's image, "consecutive" or "strided"; see :func:`image_of_triple`.
        device: the network's device.
        on_batch: called with the number of triples of each batch.

    Raises:
        ValueError: an error is not finite. A broken network must not pass as one without a result.
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
    errors = HeldOutErrors(times, torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts]))
    broken = int((~errors.loss.isfinite()).sum())
    if broken:
        raise ValueError(
            f"the network's velocity is not finite on {broken:,} of {count:,} held-out triples: its weights hold NaN "
            "or infinite values, or its arithmetic overflows"
        )
    return errors
