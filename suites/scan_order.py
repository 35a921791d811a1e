"""The paper's table 1: sweep against one, two and eight zigzags on captioned faces, at 256 and 512 pixels."""

from __future__ import annotations

from dataclasses import replace

from suites._published import (
    A100,
    LEARNED,
    LEAST,
    MIDDLE,
    MIDDLE_SEEDS,
    PAPER,
    PHOTOGRAPHS,
    RELEASE,
    RELEASED_FDD,
    TRAINING,
    WITH_TEXT,
    ZIGMA_B,
    drops,
    settings,
)
from zigbench.suite import Axis, Contrast, Suite, grid

ARMS = Axis(
    "arm",
    {
        "sweep": {"scan.curve": "sweep", "scan.schemes": 1},
        **{f"zigzag-{n}": {"scan.curve": "zigzag", "scan.schemes": n} for n in (1, 2, 8)},
    },
)
SEEDS = grid("seed", (0, 1, 2, 3, 4))

suite = Suite(
    name="scan_order",
    question="Does a space-continuous zigzag beat row sweeps, and do more directions beat one?",
    base={
        **TRAINING,
        **ZIGMA_B,
        "data.name": "multimodal-celebahq",
        "data.config.autoencoder": "sd-1.5",
        "evaluation.metrics": ["fid", "kid", "fdd", "fdd_released", "held_out_loss"],
    },
    axes=(
        ARMS,
        # A token for each latent cell at both: the paper explains the figures at 512 pixels by four times the tokens.
        Axis(
            "resolution",
            {
                "256": {"data.config.resolution": 256},
                "512": {"data.config.resolution": 512, "training.activation_checkpointing": True},
            },
        ),
        SEEDS,
    ),
    equal={"parameters": 0.05, "images_seen": 0.0},
    metrics=("fid", "fdd", "fdd_released", "kid", "held_out_loss"),
    baseline="zigzag-8",
    contrasts=(
        Contrast(
            "sweep",
            "zigzag-1",
            says="jumping back at every row's end instead of turning round",
            worse="Continuity helps",
            better="Continuity hurts",
            neither="A zigzag is not separated from a raster scan",
        ),
        Contrast(
            "zigzag-1",
            "zigzag-8",
            says="one direction instead of eight",
            worse="More directions help",
            better="More directions hurt",
            neither="More directions are not separated from one",
        ),
    ),
    figures=("schemes",),
    published=("scan_scheme",),
    sources={
        "paper": (
            *PAPER,
            *settings("paper, table 1: MultiModal-CelebA-HQ with its captions", data__config__captions=True),
            *settings("paper: longer sequences at 512 pixels", {"resolution": "512"}, backbone__patch=1),
        ),
        "release": (
            *RELEASE,
            *drops(),
            *LEARNED,
            *WITH_TEXT,
            *settings("README: data=celebamm256_uncond", data__config__captions=False),
        ),
    },
    notes=(
        RELEASED_FDD,
        LEAST,
        "The release's own commands train without the captions: --set data.config.captions=false.",
    ),
    profiles={
        "miniature": replace(PHOTOGRAPHS, axes=(ARMS, SEEDS)),
        "middle": replace(MIDDLE, axes=(ARMS, MIDDLE_SEEDS)),
    },
    resources=A100,
).as_in("release")
