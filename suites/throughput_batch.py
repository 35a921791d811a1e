"""How does the speed grow with the batch, and what is the largest batch that fits?"""

from __future__ import annotations

from suites.throughput import BASE, CPU, GPU, MATCHED, METRICS, MINIATURE, ON_CPU, ON_GPU, ROUND, ROUNDS, SMALL, arms
from zigbench.suite import Profile, Suite, grid

suite = Suite(
    name="throughput_batch",
    question="How does the speed of each family grow with the batch, up to the largest that fits?",
    base={**ON_GPU, "efficiency.mode": "training", "efficiency.largest": "batch"},
    axes=(arms(BASE), grid("efficiency.batch", (1, 4, 16, 64, 256, 1024), name="batch"), ROUNDS),
    equal=MATCHED,
    metrics=METRICS,
    baseline="zigma",
    figures=("throughput_batch", "memory"),
    resources=GPU,
    order=("seed", "batch", "arm"),
    notes=(ROUND, "Forward and backward pass, on 32×32 grids."),
    profiles={
        "miniature": Profile(
            # So little memory that the largest batch does not fit, here as on a GPU.
            base={**ON_CPU, "data.config.height": 16, "data.config.width": 16, "efficiency.memory_gb": 0.25},
            axes=(arms(SMALL), grid("efficiency.batch", (1, 8, 64), name="batch"), grid("seed", (0,))),
            resources=CPU,
            notes=(MINIATURE, "Forward and backward pass, on 16×16 grids and in at most 0.25 GiB."),
        )
    },
)
