"""Shared settings of the short studies on handwritten digits, which compare families, precisions and paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zigbench.spec import Resources

BASE: Mapping[str, Any] = {
    "data.name": "digits",
    "backbone.patch": 1,
    # Of the rates that the suite learning_rate tries, the best or within seed noise of it for every family.
    "optimizer.lr": 1e-2,
    "optimizer.schedule": "cosine",
    "optimizer.warmup": 10,
    "training.steps": 240,
    "training.batch": 16,
    "training.ema": 0.98,
    "sampler.solver": "heun",
    "sampler.steps": 10,
    "evaluation.metrics": [
        "held_out_loss",
        "held_out_loss_token_0",
        "frechet_digits",
        "kid_digits",
        "recognised",
    ],
    "evaluation.samples": 160,
    "evaluation.batch": 80,
    "evaluation.held_out": 512,
}

METRICS = ("held_out_loss", "frechet_digits", "kid_digits", "recognised")

RESOURCES = Resources(cpus=1, memory_gb=2.0, hours=0.1)

LABELS = (
    "After 240 steps most scanning networks do not follow their labels yet, "
    "so the classifier accuracy does not rank them."
)
"""A note on the classifier accuracy after so short a training."""
