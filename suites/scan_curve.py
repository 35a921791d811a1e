"""The scan curves compared: the best of them, Hilbert as published, and continuity against diversity of directions.

The miniature asks on grey crops of ten photographs; its steps and seeds were fixed before any result was seen.
"""

from __future__ import annotations

from dataclasses import replace

from suites._digits import BASE
from suites._order import arms
from suites._published import (
    A100,
    CELEBAHQ,
    LEARNED,
    LEAST,
    MIDDLE,
    MIDDLE_SEEDS,
    PAPER,
    PHOTOGRAPHS,
    RELEASE,
    drops,
)
from suites.order import RELEASED
from zigbench.suite import Axis, Contrast, Suite, grid

STRATEGIES = (
    ("sweep", 1), ("raster", 2), ("raster", 4), ("raster", 8),
    ("zigzag", 1), ("zigzag", 2), ("zigzag", 4), ("zigzag", 8),
    ("hilbert", 2), ("hilbert", 8), ("hilbert-released", 2), ("hilbert-released", 8),
    ("moore", 8), ("peano", 8), ("z-order", 8), ("spiral", 8), ("spiral[outward=true]", 8), ("rings", 8),
    ("diagonal", 8), ("anti-diagonal", 8),
    ("blocked", 8), ("blocked[size=8]", 8), ("blocked[inner=hilbert,outer=hilbert]", 8),
    ("windowed", 8), ("random", 8),
)  # fmt: skip
"""Curve and scheme count of every arm."""

CORE = (
    ("sweep", 1), ("raster", 8), ("zigzag", 1), ("zigzag", 2), ("zigzag", 8),
    ("hilbert", 2), ("hilbert", 8), ("hilbert-released", 2), ("hilbert-released", 8),
)  # fmt: skip
"""The arms that the published table and the contrasts need: few enough for the miniature."""

MIDDLE_CORE = (*(strategy for strategy in CORE if strategy[0] == "zigzag" or strategy[1] != 2), ("random", 8))
"""Eight arms, which a GPU trains in about a day."""

SEEDS = grid("seed", (0, 1, 2, 3, 4))

DIGITS = {key: value for key, value in BASE.items() if not key.startswith("backbone.")}
BLOCKS = Axis(
    "seed",
    {f"photographs, {seed}": {"seed": seed} for seed in range(5)}
    | {f"digits, {seed}": {**DIGITS, "seed": seed} for seed in range(3)},
)
"""Data set and seed together: arms are ranked within each, so that sets whose losses differ in scale can be joined."""


suite = Suite(
    name="scan_curve",
    question="Which scan curve is best, and is it continuity or the diversity of directions that counts?",
    base=CELEBAHQ,
    axes=(arms(STRATEGIES), SEEDS),
    equal={"parameters": 0.0, "images_seen": 0.0},
    metrics=("fid", "kid", "held_out_loss"),
    baseline="zigzag-8",
    contrasts=(
        replace(RELEASED, margin=None, same=""),
        Contrast(
            "hilbert-8",
            "zigzag-8",
            says="the true Hilbert curve instead of the zigzag",
            worse="Hilbert is worse than the zigzag",
            better="Hilbert is better than the zigzag",
            neither="Hilbert is not separated from the zigzag",
        ),
        Contrast(
            "raster-8",
            "zigzag-8",
            says="jumping back at every row's end instead of turning round in the same eight directions",
            worse="Continuity counts beyond the diversity of directions",
            better="With equally diverse directions, continuity hurts",
            neither="With equally diverse directions, continuity is not separated from jumps",
        ),
        Contrast(
            "zigzag-1",
            "zigzag-8",
            says="one direction instead of eight, both continuous",
            worse="The diversity of directions counts",
            better="One direction is better than eight",
            neither="Eight directions are not separated from one",
        ),
    ),
    figures=("continuity", "schemes", "critical_difference"),
    published=("scan_curve",),
    published_as={f"hilbert-released-{n}": f"hilbert-{n}" for n in (2, 8)},
    sources={"paper": PAPER, "release": (*RELEASE, *drops(), *LEARNED)},
    profiles={
        "miniature": replace(PHOTOGRAPHS, axes=(arms(CORE), SEEDS)),
        "miniature-all": PHOTOGRAPHS,
        "middle": replace(MIDDLE, axes=(arms(MIDDLE_CORE), MIDDLE_SEEDS)),
        "miniature-sets": replace(
            PHOTOGRAPHS,
            axes=(arms(STRATEGIES), BLOCKS),
            equal={},
            notes=(
                *PHOTOGRAPHS.notes,
                "A block is a data set and a seed: the photographs, and handwritten digits trained as in the "
                "quickstart. Parameters and images seen are equal within a block. Ranks are what can be compared over "
                "both; a difference of means weighs the sets by their number of seeds.",
            ),
        ),
    },
    resources=A100,
    notes=(LEAST,),
).as_in("release")
