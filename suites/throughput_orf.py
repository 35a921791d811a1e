"""Cost of more directions: one after another over the layers (ZigMa), or all in every block (parallel)."""

from __future__ import annotations

from suites.throughput import CPU, GPU, METRICS, MINIATURE, MODES, ON_CPU, ON_GPU, ROUND, ROUNDS
from zigbench.suite import Axis, Profile, Suite

DIRECTIONS = (1, 2, 4, 8)
UNEQUAL = "Width and depth are equal, so that parallel networks have more parameters, the more directions."


def arms(width: int, depth: int, both_ways: tuple[str, ...] = ()) -> Axis:
    """Return ZigMa and the parallel network with each number of directions, of equal width and depth.

    Args:
        width, depth: of every network.
        both_ways: families that scan both ways in every block.
    """
    return Axis(
        "arm",
        {
            **{
                family: {
                    "backbone.name": family,
                    "backbone.config": {"width": width, "depth": depth},
                    "scan.curve": "sweep",
                    "scan.schemes": 1,
                }
                for family in both_ways
            },
            **{
                f"{family}-{n}": {
                    "backbone.name": family,
                    "backbone.config": {"width": width, "depth": depth},
                    "scan.curve": "zigzag",
                    "scan.schemes": n,
                }
                for family in ("zigma", "parallel")
                for n in DIRECTIONS
            },
        },
    )


suite = Suite(
    name="throughput_orf",
    question="What does a larger order receptive field cost, spread over the layers or inside every block?",
    base={**ON_GPU, "data.config.height": 64, "data.config.width": 64},
    axes=(arms(768, 24, ("bidirectional", "vision-mamba")), MODES, ROUNDS),
    metrics=METRICS,
    baseline="zigma-1",
    figures=("throughput_orf", "memory"),
    resources=GPU,
    order=("seed", "mode", "arm"),
    notes=(ROUND, UNEQUAL),
    profiles={
        "miniature": Profile(
            base={**ON_CPU, "data.config.height": 32, "data.config.width": 32},
            axes=(arms(64, 6), MODES, ROUNDS),
            resources=CPU,
            notes=(ROUND, UNEQUAL, MINIATURE),
        )
    },
)
