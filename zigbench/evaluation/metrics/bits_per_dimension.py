"""Bits per dimension of held-out images: the negative log-likelihood of their pixels under the network's own flow.

Pixels of 0 to 255 get noise that is uniform over one level, so that the density of the continuous image bounds the
probability of the discrete one from below; Theis et al., "A note on the evaluation of generative models" (2016),
section 3.1. The likelihood is that of :mod:`zigbench.sampling.likelihood`, without guidance.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from zigbench.data.pixels import from_uint8, to_uint8
from zigbench.evaluation.context import EvaluationContext
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.intervals import UndefinedStatisticError, bootstrap_interval
from zigbench.evaluation.references import unlabelled_hash
from zigbench.evaluation.triples import image_of_triple
from zigbench.records.record import Measurement
from zigbench.sampling.likelihood import likelihood
from zigbench.spec.rng import derive_seed

SEED = 20_261_129
"""Seed of the dequantising noise and of Hutchinson's probes, the same for all runs."""

IMAGES = 256
"""The largest number of images that are measured: each takes some hundred passes of the network, forth and back."""

TOLERANCE = 1e-4
"""Relative and absolute tolerance of dopri5."""

LEVELS = 255
"""Steps of one grey level between −1 and 1: the density of one level is that over 2/255."""


def dequantised(pixels: Tensor, indices: range) -> Tensor:
    """Return uint8 (B, …) as floats in about [-1, 1], with noise uniform over one level, a function of the index."""
    noise = [
        np.random.Generator(np.random.Philox(key=derive_seed(SEED, "dequantisation", index))).random(pixels[0].shape)
        for index in indices
    ]
    return (from_uint8(pixels).double() + (torch.from_numpy(np.stack(noise)) - 0.5) / (LEVELS / 2)).float()


def measure(context: EvaluationContext, metric: Metric) -> tuple[Measurement, ...]:
    """Return the mean over held-out images, evenly spaced over the split.

    Raises:
        UndefinedStatisticError: the data are latents, whose likelihood is none of pixels.
    """
    if context.decode is not None:
        raise UndefinedStatisticError("the network's data are latents, and their likelihood is not that of pixels")
    split, settings = context.held_out, context.spec.evaluation
    count = min(IMAGES, len(split))
    parts = []
    for start in range(0, count, settings.batch):
        indices = range(start, min(start + settings.batch, count))
        batch = split.batch([image_of_triple(index, count, len(split), "strided") for index in indices])
        solved = likelihood(
            context.model,
            context.interpolant,
            dequantised(to_uint8(batch.x), indices).to(context.device),
            generator=[derive_seed(SEED, "probe", index) for index in indices],
            rtol=TOLERANCE,
            atol=TOLERANCE,
            label=None if batch.label is None else batch.label.to(context.device),
            context=None if batch.context is None else batch.context.to(context.device),
        )
        parts.append(solved.bits_per_dimension(LEVELS).double().cpu())
    bits = torch.cat(parts)
    if not bits.isfinite().all():
        raise ValueError(f"the likelihood is not finite on {int((~bits.isfinite()).sum())} of {count} held-out images")
    value = float(bits.mean())
    protocol = context.protocol(
        metric,
        estimator=f"mean negative log₂-likelihood per number of {count} images of 256 levels, uniformly dequantised, "
        f"dopri5 with tolerances of {TOLERANCE:g}, one Hutchinson probe an image, seed {SEED}",
        reference=split.name,
        reference_split="held-out",
        reference_count=len(split),
        reference_hash=split.content_hash,
        reference_unlabelled=unlabelled_hash(split),
    )
    interval = bootstrap_interval(value, lambda rows: bits[rows].mean(1).tolist(), count, settings.bootstrap)
    return (
        Measurement(
            name=metric.name,
            value=value,
            unit=metric.unit,
            higher_is_better=False,
            interval=interval,
            protocol=protocol.hash,
        ),
    )
