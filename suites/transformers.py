"""The costs in the paper's table 5: FLOPs and memory of a zigzag Mamba, DiT and U-ViT of the size S/2."""

from __future__ import annotations

from suites.throughput import GPU
from zigbench.spec import Resources
from zigbench.suite import Axis, Profile, Suite, grid

ARMS = Axis(
    "arm",
    {
        # Twelve blocks beside the middle one, as published for CelebA at 64 pixels, on patches of 2×2.
        "u-vit": {"backbone": {"name": "u-vit", "patch": 2, "config": {"width": 512, "depth": 12, "heads": 8}}},
        "dit": {"backbone": {"name": "dit", "patch": 2, "config": {"size": "S"}}},
        "zigma": {
            "backbone": {"name": "zigma", "patch": 2, "config": {"size": "S"}},
            "position": "none",
            "scan.curve": "zigzag",
            "scan.schemes": 8,
        },
    },
)

suite = Suite(
    name="transformers",
    question="Does a zigzag Mamba cost less than DiT and U-ViT of its size, in operations and memory?",
    base={
        "task": "efficiency",
        "data.name": "shape",
        "data.config.height": 32,
        "data.config.width": 32,
        "efficiency.seconds": 0.1,
    },
    axes=(ARMS, grid("seed", (0,))),
    metrics=("flops_matrix", "fps"),
    baseline="zigma",
    published=("transformers",),
    resources=Resources(cpus=2, memory_gb=2.0, hours=0.05, exclusive=True),
    notes=(
        "One image of 32×32×4 latents in 256 patches. The published sizes are not stated; those of S/2 have 5.36, 6.05 "
        "and 12.20 billion multiplications by our count, of matrix products alone, where 5.2, 5.5 and 12.5 are "
        "published.",
    ),
    profiles={
        "memory": Profile(
            base={
                "efficiency.mode": "training",
                # Required, as in suites.throughput: the published figures are of GPUs.
                "efficiency.device": "cuda",
                "efficiency.precision": "float16",
                "efficiency.batch": 80,
            },
            metrics=("memory_allocated", "fps"),
            resources=GPU,
            notes=("Forward and backward pass. The published batch is not stated: compare the order, not the size.",),
        )
    },
)
