"""The quickstart: does the order matter, and is the Hilbert curve as bad as published? On digits, in minutes."""

from __future__ import annotations

from zigbench.spec import Resources
from zigbench.suite import Axis, Contrast, Suite, grid

ZIGMA = {"backbone.name": "zigma", "backbone.config.width": 32, "backbone.config.depth": 8}

ARMS = Axis(
    "arm",
    {
        "sweep-1": {**ZIGMA, "scan.curve": "sweep", "scan.schemes": 1},
        "raster-8": {**ZIGMA, "scan.curve": "raster", "scan.schemes": 8},
        "zigzag-1": {**ZIGMA, "scan.curve": "zigzag", "scan.schemes": 1},
        "zigzag-2": {**ZIGMA, "scan.curve": "zigzag", "scan.schemes": 2},
        "zigzag-8": {**ZIGMA, "scan.curve": "zigzag", "scan.schemes": 8},
        "hilbert-8": {**ZIGMA, "scan.curve": "hilbert", "scan.schemes": 8},
        "hilbert-released-8": {**ZIGMA, "scan.curve": "hilbert-released", "scan.schemes": 8},
        # Widths and depths of the last two are those that come nearest to ZigMa's parameter count.
        "bidirectional": {
            "backbone.name": "bidirectional",
            "backbone.config.width": 32,
            "backbone.config.depth": 6,
        },
        "dit": {
            "backbone.name": "dit",
            "backbone.config.width": 32,
            "backbone.config.depth": 6,
            "backbone.config.heads": 4,
            "backbone.config.mlp_ratio": 3.0,
        },
    },
)

LABELS = (
    "After 240 steps most scanning networks do not follow their labels yet, "
    "so the classifier accuracy does not rank them."
)
"""A note on the classifier accuracy after so short a training."""

suite = Suite(
    name="quickstart",
    question=(
        "Does the order in which a Mamba backbone visits the patches matter, "
        "and is the Hilbert curve as bad as published?"
    ),
    base={
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
    },
    axes=(ARMS, grid("seed", (0, 1, 2))),
    equal={"parameters": 0.05, "images_seen": 0.0},
    metrics=("held_out_loss", "frechet_digits", "kid_digits", "recognised"),
    baseline="zigzag-8",
    contrasts=(
        Contrast(
            "sweep-1",
            "zigzag-8",
            says="one forward sweep in every layer instead of eight zigzags",
            worse="The order matters",
            better="The order matters, the other way round than published",
            neither="Whether the order matters is not settled",
        ),
        Contrast(
            "hilbert-released-8",
            "hilbert-8",
            says="the released Hilbert scan, which walks the inverse permutation, instead of the Hilbert curve",
            worse="The released Hilbert scan is worse than the curve it is named after",
            better="The released Hilbert scan is better than the curve it is named after",
            neither="The released Hilbert scan is not separated from the curve it is named after",
        ),
        Contrast(
            "hilbert-8",
            "zigzag-8",
            says="the true Hilbert curve instead of the zigzag",
            worse="Hilbert is worse than the zigzag",
            better="Hilbert is better than the zigzag",
            neither="Hilbert is not separated from the zigzag",
        ),
    ),
    published=("scan_curve", "order_receptive_field"),
    published_as={"bidirectional": "sweep-2"},
    resources=Resources(cpus=1, memory_gb=2.0, hours=0.1),
    notes=(
        "A miniature: networks of about 115,000 parameters on 8×8 handwritten digits. "
        "It shows how such differences are measured; it does not stand in for the published training runs.",
        LABELS,
    ),
)
