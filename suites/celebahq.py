"""Against transformers: is a zigzag Mamba as good as U-ViT and DiT of the same size on CelebA-HQ?"""

from __future__ import annotations

from dataclasses import replace

from suites._published import CELEBAHQ, PHOTOGRAPHS
from zigbench.spec import Resources
from zigbench.suite import Axis, Contrast, Suite, grid

SEEDS = grid("seed", (0, 1, 2))


def arms(zigma: dict[str, object], dit: dict[str, object], u_vit: dict[str, object]) -> Axis:
    """Return the three families, each with the config that gives it the others' size."""
    return Axis(
        "arm",
        {
            "u-vit": {"backbone": {"name": "u-vit", "patch": 1, "config": u_vit}},
            "dit": {"backbone": {"name": "dit", "patch": 1, "config": dit}},
            "zigma": {
                "backbone": {"name": "zigma", "patch": 1, "config": zigma},
                "scan.curve": "zigzag",
                "scan.schemes": 8,
            },
        },
    )


suite = Suite(
    name="celebahq",
    question="Is a zigzag Mamba as good as transformers of its size on CelebA-HQ?",
    base=CELEBAHQ,
    axes=(arms({"size": "B"}, {"size": "B"}, {"size": "M"}), SEEDS),
    equal={"parameters": 0.05, "images_seen": 0.0},
    metrics=("fid", "kid", "fdd", "held_out_loss"),
    baseline="zigma",
    contrasts=(
        Contrast(
            "u-vit",
            "zigma",
            says="U-ViT instead of the zigzag Mamba",
            worse="The zigzag Mamba is better than U-ViT of its size",
            better="U-ViT is better than a zigzag Mamba of its size",
            neither="The zigzag Mamba is not separated from U-ViT of its size",
        ),
        Contrast(
            "dit",
            "zigma",
            says="DiT instead of the zigzag Mamba",
            worse="The zigzag Mamba is better than DiT of its size",
            better="DiT is better than a zigzag Mamba of its size",
            neither="The zigzag Mamba is not separated from DiT of its size",
        ),
    ),
    published=("transformers",),
    profiles={
        # Widths and depths of the transformers are those that come nearest to ZigMa's parameter count.
        "miniature": replace(
            PHOTOGRAPHS,
            axes=(
                arms(
                    {"width": 32, "depth": 8},
                    {"width": 32, "depth": 6, "heads": 4, "mlp_ratio": 3.0},
                    {"width": 48, "depth": 4, "heads": 4, "mlp_ratio": 2.5},
                ),
                SEEDS,
            ),
        ),
    },
    resources=Resources(gpus=8, cpus=8, memory_gb=128.0, hours=24.0),
    notes=(
        "Sizes are those of equal parameters: ZigMa-B, DiT-B and U-ViT-M, each with a token for every latent cell.",
    ),
)
