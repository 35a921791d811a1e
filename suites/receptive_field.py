"""Number of directions that a scanning network needs: the published ablation of the order receptive field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from suites._published import (
    A100,
    CELEBAHQ,
    DROPS,
    LEARNED,
    LEAST,
    MIDDLE,
    MIDDLE_BOTH_WAYS,
    MIDDLE_SEEDS,
    PAPER,
    PHOTOGRAPHS,
    RELEASE,
    drops,
)
from zigbench.suite import Axis, Contrast, Suite, grid

ZIGZAG = {f"zigzag-{n}": {"backbone.name": "zigma", "scan.curve": "zigzag", "scan.schemes": n} for n in (1, 2, 4, 6, 8)}
SWEEP_1 = {"backbone.name": "zigma", "scan.curve": "sweep", "scan.schemes": 1}


def arms(size: Mapping[str, object], patch: int = 1) -> Axis:
    """Return an arm for each number of directions.

    Args:
        size: config of sweep-2, a bidirectional mixer, which has a size of its own.
        patch: side of its patches.
    """
    both_ways = {"backbone": {"name": "sweep", "patch": patch, "config": size}, "scan.schemes": 2}
    return Axis("arm", {"sweep-1": SWEEP_1, "sweep-2": both_ways, **ZIGZAG})


SEEDS = grid("seed", (0, 1, 2, 3, 4))

suite = Suite(
    name="receptive_field",
    question="How many directions must a network scan in before further ones stop helping?",
    base=CELEBAHQ,
    axes=(arms({"size": "B", **DROPS}), SEEDS),
    equal={"parameters": 0.05, "images_seen": 0.0},
    metrics=("fid", "kid", "held_out_loss"),
    baseline="zigzag-8",
    contrasts=(
        Contrast(
            "zigzag-1",
            "zigzag-2",
            says="one direction instead of two",
            worse="A second direction helps",
            better="A second direction hurts",
            neither="Two directions are not separated from one",
        ),
        Contrast(
            "zigzag-2",
            "zigzag-4",
            says="two directions, both from the top-left corner, instead of four",
            worse="Four directions, with which every token reaches every other, are better than two",
            better="Four directions are worse than two",
            neither="Four directions are not separated from two",
        ),
        Contrast(
            "zigzag-4",
            "zigzag-8",
            says="four directions instead of eight",
            worse="Eight directions are better than four",
            better="Eight directions are worse than four",
            neither="Eight directions are not separated from four",
        ),
    ),
    figures=("schemes", "reach", "receptive_fields"),
    published=("order_receptive_field",),
    sources={"paper": PAPER, "release": (*RELEASE, *drops(), *LEARNED)},
    profiles={
        "miniature": replace(PHOTOGRAPHS, axes=(arms({"width": 32, "depth": 6}), SEEDS)),
        "middle": replace(MIDDLE, axes=(arms(MIDDLE_BOTH_WAYS, patch=2), MIDDLE_SEEDS)),
    },
    resources=A100,
    notes=(LEAST,),
).as_in("release")
