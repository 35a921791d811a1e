"""Two kinds of seeds: how far is a figure moved by training again, and how far by sampling again? On the digits."""

from __future__ import annotations

from suites._order import BASE, SETS, arms, resources, seeds
from zigbench.suite import Contrast, Suite

ARMS = arms((("zigzag", 8), ("zigzag", 1)), {"optimizer.lr": 1e-2})

suite = Suite(
    name="two_seeds",
    question="How far do another training and other samples of one network move the figures of two orders?",
    base={
        **BASE,
        **SETS["digits"],
        "training.steps": 480,
        "training.ema_widths": [0.05, 0.1],
        "evaluation.metrics": ["held_out_loss", "frechet_digits", "recognised"],
        "evaluation.at": [60, 120, 240, 360],
        "evaluation.sample_sets": 5,
    },
    axes=(ARMS, seeds(range(20, 25))),
    equal={"parameters": 0.0, "images_seen": 0.0},
    metrics=("frechet_digits", "held_out_loss", "recognised"),
    baseline="zigzag-8",
    contrasts=(
        Contrast(
            "zigzag-1",
            "zigzag-8",
            says="One zigzag instead of eight",
            worse="Eight directions are better than one",
            neither="Five trainings do not separate one direction from eight",
        ),
    ),
    resources=resources(0.1),
    order=("seed",),
    notes=(
        "A miniature: networks of about 115,000 parameters on 8×8 handwritten digits, trained on 7,680 images each. "
        "Five sets of 250 samples are drawn from each network, each from noise of its own.",
    ),
)
