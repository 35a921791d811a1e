"""How fast are the ways of scanning clips, and what memory do they take, over the grid of a frame?

A second suite, throughput_frames, asks the same over the number of frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suites.throughput import CPU, GPU, MATCHED, METRICS, MINIATURE, MODES, ON_CPU, ON_GPU, ROUND, ROUNDS
from zigbench.suite import Axis, Profile, Suite

Keys = Mapping[str, Any]

ZIGZAG = {"scan.curve": "zigzag", "scan.schemes": 8}
SWEEP = {"scan.curve": "sweep", "scan.schemes": 1}


def arms(zigma: Keys, both_ways: Keys, dit: Keys) -> Axis:
    """Return the three ways to scan and the two transformers; all with equal parameters."""

    def family(name: str, config: Keys, **more: Any) -> dict[str, Any]:
        return {"backbone.name": name, "backbone.config": {**config, **more}}

    return Axis(
        "arm",
        {
            "sweep-3d": {**family("zigma-video", both_ways, pattern="joint", bidirectional=True), **SWEEP},
            "zigzag-3d": {**family("zigma-video", zigma, pattern="joint"), **ZIGZAG},
            "ssts": {**family("zigma-video", zigma, pattern="ssts"), **ZIGZAG},
            "dit-st": family("dit-video", dit, pattern="st"),
            "dit-joint": family("dit-video", dit, pattern="joint"),
        },
    )


# Each within 1 % of the others' parameters, about 133.6 million and 339 thousand: a second direction in every block
# is made up for by one block less.
BASE = arms({"width": 768, "depth": 24}, {"width": 768, "depth": 23}, {"width": 768, "depth": 12, "mlp_ratio": 4.25})
SMALL = arms(
    {"width": 64, "depth": 7}, {"width": 64, "depth": 6}, {"width": 64, "depth": 4, "heads": 2, "mlp_ratio": 4.25}
)

LATENT = "Clips of four latent channels; images a second are clips a second."
LATENTS: Keys = {**ON_GPU, "backbone.patch": 2}


def clips(sizes: Sequence[tuple[int, int]]) -> Axis:
    """Return clips of (frames, side): square frames, patches of 2×2, ``side`` of them on each side."""
    return Axis(
        "clip",
        {
            f"{frames}×{side}×{side}": {
                "data.config.frames": frames,
                "data.config.height": 2 * side,
                "data.config.width": 2 * side,
            }
            for frames, side in sizes
        },
    )


suite = Suite(
    name="throughput_video",
    question="How do the ways of scanning a clip scale with the grid of its frames, beside attention?",
    base={**LATENTS, "efficiency.largest": "patches"},
    axes=(BASE, clips([(16, side) for side in (8, 16, 32, 48, 64)]), MODES, ROUNDS),
    equal=MATCHED,
    metrics=METRICS,
    baseline="ssts",
    figures=("throughput", "memory", "memory_kinds", "roofline"),
    resources=GPU,
    order=("seed", "clip", "mode", "arm"),
    notes=(ROUND, LATENT),
    profiles={
        "miniature": Profile(
            base={**ON_CPU, "efficiency.mode": "training"},
            axes=(SMALL, clips([(8, side) for side in (4, 8, 16)]), ROUNDS),
            resources=CPU,
            notes=(ROUND, LATENT, MINIATURE, "Forward and backward pass on clips of 8 frames."),
        )
    },
)
