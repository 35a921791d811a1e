"""Speed and memory of the families over the number of patches: figures 6a to 6d of the paper.

Three more suites ask the same over the directions of a scan, over the batch, and of whole samplers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zigbench.spec import Resources
from zigbench.suite import Axis, Profile, Suite, grid

Sizes = Mapping[str, Mapping[str, Any]]

SCAN = {"scan.curve": "zigzag", "scan.schemes": 1}

# Each within 2 % of the others' parameters, about 133.4 million: ZigMa-B, and what comes nearest to it.
BASE: Sizes = {
    "zigma": {"backbone.name": "zigma", "backbone.config": {"width": 768, "depth": 24}, **SCAN},
    "dit": {"backbone.name": "dit", "backbone.config": {"width": 768, "depth": 12, "heads": 12, "mlp_ratio": 4.25}},
    "u-vit": {"backbone.name": "u-vit", "backbone.config": {"width": 768, "depth": 16, "heads": 12, "mlp_ratio": 4.25}},
    "bidirectional": {"backbone.name": "bidirectional", "backbone.config": {"width": 768, "depth": 23}, **SCAN},
    "vision-mamba": {"backbone.name": "vision-mamba", "backbone.config": {"width": 768, "depth": 23}, **SCAN},
    "parallel": {
        "backbone.name": "parallel", "backbone.config": {"width": 768, "depth": 21}, **SCAN, "scan.schemes": 4,
    },
}  # fmt: skip

# About 337 thousand.
SMALL: Sizes = {
    "zigma": {"backbone.name": "zigma", "backbone.config": {"width": 64, "depth": 7}, **SCAN},
    "dit": {"backbone.name": "dit", "backbone.config": {"width": 64, "depth": 4, "heads": 2, "mlp_ratio": 4.25}},
    "u-vit": {"backbone.name": "u-vit", "backbone.config": {"width": 64, "depth": 6, "heads": 2, "mlp_ratio": 3.375}},
    "bidirectional": {"backbone.name": "bidirectional", "backbone.config": {"width": 64, "depth": 6}, **SCAN},
    "vision-mamba": {"backbone.name": "vision-mamba", "backbone.config": {"width": 64, "depth": 6}, **SCAN},
    "parallel": {
        "backbone.name": "parallel", "backbone.config": {"width": 60, "depth": 5}, **SCAN, "scan.schemes": 4,
    },
}  # fmt: skip

SPEED: Mapping[str, Any] = {
    "task": "efficiency",
    "data.name": "shape",
    "backbone.patch": 1,
    # Every family without one: a learned embedding would let the parameters grow with the grid.
    "position": "none",
}

# The device is required: elsewhere such a run is refused, so that no other device's figure stands beside a GPU's.
ON_GPU: Mapping[str, Any] = {
    **SPEED, "efficiency.device": "cuda", "efficiency.precision": "bfloat16", "efficiency.seconds": 0.25,
}  # fmt: skip
ON_CPU: Mapping[str, Any] = {
    "efficiency.device": "cpu", "efficiency.precision": "float32", "efficiency.seconds": 0.2,
}  # fmt: skip

GPU = Resources(gpus=1, cpus=4, memory_gb=32.0, hours=0.05, exclusive=True)
CPU = Resources(cpus=2, memory_gb=8.0, hours=0.05, exclusive=True)

METRICS = ("fps", "memory_allocated", "latency", "roofline_share")
MATCHED = {"parameters": 0.02}

ROUNDS = grid("seed", (0, 1))
MODES = grid("efficiency.mode", ("inference", "training"), name="mode")
MINIATURE = (
    "A miniature on a CPU: networks of about 340,000 parameters on small grids. What is fast there need not be fast "
    "on a GPU."
)
ROUND = "The seed is the round: all cells are measured once before any is measured again, each in its own process."


def arms(sizes: Sizes) -> Axis:
    """Return an arm for each family."""
    return Axis("arm", sizes)


def grids(sides: Sequence[int]) -> Axis:
    """Return the axis of square grids with so many patches a side, a patch a pixel."""
    return Axis("grid", {f"{n}×{n}": {"data.config.height": n, "data.config.width": n} for n in sides})


suite = Suite(
    name="throughput",
    question="From how many patches on is a scan faster than attention, and does it take less memory?",
    base={**ON_GPU, "efficiency.largest": "patches"},
    axes=(arms(BASE), grids((32, 64, 96, 128, 160, 196)), MODES, ROUNDS),
    equal=MATCHED,
    metrics=METRICS,
    baseline="zigma",
    figures=("throughput", "memory", "memory_kinds", "roofline"),
    published=("figure_6",),
    resources=GPU,
    order=("seed", "grid", "mode", "arm"),
    notes=(ROUND,),
    profiles={
        "miniature": Profile(
            base=ON_CPU,
            axes=(arms(SMALL), grids((8, 16, 32, 48, 64)), MODES, ROUNDS),
            resources=CPU,
            notes=(ROUND, MINIATURE),
        )
    },
)
