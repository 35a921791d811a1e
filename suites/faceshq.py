"""Large images: do eight zigzags hold up at 1,024 pixels, where a network sees 4,096 tokens?"""

from __future__ import annotations

from suites._published import RELEASED_FDD, TRAINING
from zigbench.spec import Resources
from zigbench.suite import Axis, Contrast, Suite, grid

FACESHQ = {
    **TRAINING,
    "data.name": "faceshq",
    "data.config.resolution": 1024,
    "training.batch": 32,
    "evaluation.metrics": ["fid", "kid", "fdd", "fdd_released", "held_out_loss"],
}

# ZigMa-B/2 on 128×128×4 latents, without a position embedding, as released for this set.
ZIGZAG = {
    "backbone": {"name": "zigma", "patch": 2, "config": {"size": "B"}},
    "position": "none",
    "scan.curve": "zigzag",
    "scan.schemes": 8,
}

ARMS = Axis(
    "arm",
    {
        "vision-mamba": {"backbone": {"name": "vision-mamba", "patch": 2, "config": {"size": "B"}}, "position": "none"},
        "zigzag-8": ZIGZAG,
        "zigzag-8, batch ×2": {**ZIGZAG, "training.batch": 64},
    },
)

suite = Suite(
    name="faceshq",
    question="Does the zigzag hold up at 1,024 pixels?",
    base=FACESHQ,
    axes=(ARMS, grid("seed", (0, 1, 2))),
    equal={"parameters": 0.05},
    metrics=("fid", "fdd", "fdd_released", "kid", "held_out_loss"),
    baseline="zigzag-8",
    contrasts=(
        Contrast(
            "vision-mamba",
            "zigzag-8",
            says="Vision Mamba's two-way sweep instead of eight zigzags",
            worse="The zigzag holds up at 1,024 pixels",
            better="Vision Mamba is better than the zigzag at 1,024 pixels",
            neither="The zigzag is not separated from Vision Mamba at 1,024 pixels",
        ),
        Contrast("zigzag-8, batch ×2", "zigzag-8", says="twice the batch, and so twice the images seen"),
    ),
    published=("faceshq",),
    published_as={"zigzag-8": "zigzag-8", "zigzag-8, batch ×2": "zigzag-8 (batch=2x)"},
    resources=Resources(gpus=8, cpus=8, memory_gb=256.0, hours=24.0),
    notes=(
        "The paper names a batch and its double without their sizes; 32 and 64 are the release's four images a GPU on "
        "8 and 16 of them.",
        RELEASED_FDD,
    ),
)
