"""Does a position embedding make up for a poor scan order? None, sinusoidal and learned, under sweep-2 and zigzag-8."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from suites._published import (
    A100,
    CELEBAHQ,
    DROPS,
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

POSITIONS = ("none", "sincos", "learned")


def arms(size: Mapping[str, object], patch: int = 1) -> Axis:
    """Return an arm for each scan and position.

    Args:
        size: config of the bidirectional sweep, which has a size of its own.
        patch: side of its patches.
    """
    both_ways = {"backbone": {"name": "sweep", "patch": patch, "config": size}, "scan.schemes": 2}
    zigzag = {"backbone.name": "zigma", "scan.curve": "zigzag", "scan.schemes": 8}
    return Axis(
        "arm",
        {
            f"{scan}, {position}": {**keys, "position": position}
            for scan, keys in (("sweep-2", both_ways), ("zigzag-8", zigzag))
            for position in POSITIONS
        },
    )


SEEDS = grid("seed", (0, 1, 2, 3, 4))

suite = Suite(
    name="position_embedding",
    question="Does a position embedding make up for a poor scan order?",
    base=CELEBAHQ,
    axes=(arms({"size": "B", **DROPS}), SEEDS),
    equal={"parameters": 0.05, "images_seen": 0.0},
    metrics=("fid", "kid", "held_out_loss"),
    baseline="zigzag-8, learned",
    contrasts=(
        Contrast("zigzag-8, none", "zigzag-8, learned", says="no position embedding under the zigzag"),
        Contrast("sweep-2, none", "sweep-2, learned", says="no position embedding under the bidirectional sweep"),
        Contrast("sweep-2, learned", "zigzag-8, learned", says="the bidirectional sweep, both with learned positions"),
        Contrast("sweep-2, sincos", "zigzag-8, sincos", says="the bidirectional sweep, both with sinusoidal positions"),
    ),
    published=("position_embedding",),
    published_as={
        f"{scan}, {position}": f"{scan} (position={name})"
        for scan in ("sweep-2", "zigzag-8")
        for position, name in zip(POSITIONS, ("none", "sinusoidal", "learnable"), strict=True)
    },
    sources={"paper": PAPER, "release": (*RELEASE, *drops())},
    profiles={
        "miniature": replace(PHOTOGRAPHS, axes=(arms({"width": 32, "depth": 6}), SEEDS)),
        "middle": replace(MIDDLE, axes=(arms(MIDDLE_BOTH_WAYS, patch=2), MIDDLE_SEEDS)),
    },
    resources=A100,
    notes=(LEAST,),
).as_in("release")
