"""Against transformers, the paper's table 5: is a zigzag Mamba as good as U-ViT and DiT of its size on CelebA-HQ?"""

from __future__ import annotations

from dataclasses import replace

from suites._published import A100, CELEBAHQ, DROPS, LEAST, PAPER, PHOTOGRAPHS, RELEASE, drops, settings
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


# Each family with its authors' position embedding, but ZigMa without: the published 14.27 is that of table 2's network
# without one.
ARMS = arms({"size": "B", **DROPS}, {"size": "B", "label_dropout": 0.0}, {"size": "M", "label_dropout": 0.0})
ARMS = replace(ARMS, points={**ARMS.points, "zigma": {**ARMS.points["zigma"], "position": "none"}})

suite = Suite(
    name="celebahq",
    question="Is a zigzag Mamba as good as transformers of its size on CelebA-HQ?",
    base=CELEBAHQ,
    axes=(ARMS, SEEDS),
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
    sources={
        "paper": (
            *PAPER,
            *settings("paper: 14.27 is, in table 2, the network without positions", {"arm": "zigma"}, position="none"),
        ),
        "release": (*RELEASE, *drops("zigma")),
    },
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
    resources=A100,
    notes=(
        "Sizes are those of equal parameters: ZigMa-B, DiT-B and U-ViT-M, each with a token for every latent cell. The "
        "published memory and FLOPs are those of S/2 networks: the suite transformers measures these.",
        LEAST,
    ),
).as_in("release")
