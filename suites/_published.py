"""Settings that the suites share: the published training, and the miniature on photographs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zigbench.spec import Resources
from zigbench.suite import Profile

# The release's training where it says more than the paper, and the paper's where they differ on purpose:
# AdamW at 1e-4 with weight decay 0.01, the gradient clipped at 2.0 (before the step), averaged weights at 0.9999.
TRAINING: Mapping[str, Any] = {
    "optimizer.lr": 1e-4,
    "optimizer.weight_decay": 0.01,
    "optimizer.clip": 2.0,
    "training.steps": 400_000,
    "training.batch": 160,
    "training.ema": 0.9999,
    "training.precision": "bfloat16",
    "sampler.solver": "dopri5",
    "evaluation.samples": 5_000,
    "evaluation.metrics": ["fid", "kid", "fdd", "held_out_loss"],
}

ZIGMA_B: Mapping[str, Any] = {"backbone.name": "zigma", "backbone.config.size": "B", "backbone.patch": 1}

RELEASED_FDD = (
    "The published FDD was computed on pixels left at 0 to 255; fdd_released is the column to compare with it."
)
"""A note of suites whose published tables have FDD."""

CELEBAHQ: Mapping[str, Any] = {**TRAINING, **ZIGMA_B, "data.name": "celebahq", "data.config.resolution": 256}
"""Unconditional CelebA-HQ at 256 pixels: ZigMa-B/1 on 32×32×4 latents."""

_PHOTOGRAPHS: Mapping[str, Any] = {
    "data": {"name": "photographs", "config": {"size": 16}},
    "backbone.patch": 1,
    "backbone.config": {"width": 32, "depth": 8},
    "optimizer.lr": 5e-3,
    "optimizer.weight_decay": 0.0,
    "optimizer.schedule": "cosine",
    "optimizer.warmup": 10,
    "training.steps": 120,
    "training.batch": 16,
    "training.ema": 0.98,
    "training.precision": "float32",
    "sampler.solver": "heun",
    "sampler.steps": 10,
    "evaluation.samples": 64,
    "evaluation.metrics": ["held_out_loss", "held_out_loss_token_0"],
}


PHOTOGRAPHS = Profile(
    base=_PHOTOGRAPHS,
    metrics=("held_out_loss", "held_out_loss_token_0"),
    resources=Resources(cpus=1, memory_gb=2.0, hours=0.1),
    notes=(
        "A miniature: grey 16×16 crops of ten photographs, a token a pixel, networks of about 110,000 parameters, "
        "held-out crops from the right quarter of each picture. Steps and seeds were fixed before looking.",
    ),
)
"""The same question on ten photographs, in minutes on two cores."""
