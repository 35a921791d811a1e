"""Ways of scanning space and time: one box, eight walks of the box, or space and time in turn.

The miniature asks on moving digits; its sizes, steps and seeds were fixed before any result was seen, and its
learning rate was chosen by the profile ``rates``, on seeds that the miniature does not use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suites._published import A100, DROPS, LEAST, PAPER, RELEASE, drops, settings
from suites.ucf101 import CLIPS, RELEASE_CLIPS, UCF101
from zigbench.spec import Resources
from zigbench.suite import Axis, Contrast, Profile, Suite, grid

Keys = Mapping[str, Any]

ZIGZAG = {"scan.curve": "zigzag", "scan.schemes": 8}
PATTERNS = ("sstt", "ststst", "ssts", "sst")
"""Kinds of the blocks, repeated over the depth: along space, along time or along both."""


def arms(zigma: Keys, both_ways: Keys, dit: Keys) -> dict[str, Keys]:
    """Return every way to scan, and the transformers; all of equal size."""

    def scanning(config: Keys, **more: Any) -> dict[str, Any]:
        return {"backbone.name": "zigma-video", "backbone.config": {**config, **more}}

    return {
        "sweep-3d": {
            **scanning(both_ways, pattern="joint", bidirectional=True),
            "scan.curve": "sweep",
            "scan.schemes": 1,
        },
        "zigzag-3d": {**scanning(zigma, pattern="joint"), **ZIGZAG},
        **{pattern: {**scanning(zigma, pattern=pattern), **ZIGZAG} for pattern in PATTERNS},
        "dit-st": {"backbone.name": "dit-video", "backbone.config": {**dit, "pattern": "st"}},
        "dit-joint": {"backbone.name": "dit-video", "backbone.config": {**dit, "pattern": "joint"}},
    }


# Depths and widths come nearest to equal parameter counts on these clips: a sweep both ways has a second set of the
# scan's parameters in every block, hence fewer blocks.
SMALL = arms(
    {"width": 32, "depth": 8},
    {"width": 32, "depth": 6},
    {"width": 32, "depth": 6, "heads": 4, "mlp_ratio": 3.0},
)

MOVING_DIGITS: Keys = {
    "data": {"name": "moving-digits", "config": {"frames": 8, "size": 12}},
    "backbone.patch": 2,
    # Of the rates that the profile `rates` tries, the best or within seed noise of it for every family.
    "optimizer.lr": 2e-2,
    "optimizer.weight_decay": 0.0,
    "optimizer.schedule": "cosine",
    "optimizer.warmup": 10,
    "training.steps": 120,
    "training.batch": 8,
    "training.ema": 0.98,
    "training.precision": "float32",
    "sampler.solver": "heun",
    "sampler.steps": 8,
    "evaluation.samples": 48,
    "evaluation.batch": 24,
    "evaluation.held_out": 256,
    "evaluation.metrics": ["held_out_loss", "frechet_random_3d"],
    "evaluation.at": [],
}

NOTE = (
    "A miniature: clips of 8 frames of 12×12 pixels in which one of scikit-learn's digits bounces, 288 tokens, "
    "networks of about 122,000 parameters. Sizes, steps and seeds were fixed before looking."
)
SURPLUS = (
    "A sweep both ways has a second set of the scan's parameters; the table of what must be equal shows the surplus."
)
SMALL_NEEDS = Resources(cpus=1, memory_gb=2.0, hours=0.1)
SEEDS = grid("seed", (0, 1, 2))
RATES = (2e-3, 5e-3, 1e-2, 2e-2, 4e-2)


def rates(tried: tuple[str, ...] = ("sweep-3d", "ssts", "dit-st")) -> Axis:
    """Return one arm of each family at several learning rates."""
    points = {f"{arm}, rate {rate:g}": {**SMALL[arm], "optimizer.lr": rate} for arm in tried for rate in RATES}
    return Axis("arm", points)


def against(arm: str, says: str, worse: str, better: str, neither: str) -> Contrast:
    """Return ``arm`` against the published choice."""
    return Contrast(arm, "ssts", says=says, worse=worse, better=better, neither=neither)


suite = Suite(
    name="video_scan",
    question="Should a Mamba backbone sweep a clip, walk it in zigzags, or scan space and time in turn?",
    base=UCF101,
    axes=(
        Axis("arm", arms({"size": "B", **DROPS}, {"size": "B", **DROPS}, {"size": "B", "label_dropout": 0.0})),
        SEEDS,
    ),
    equal={"parameters": 0.05, "images_seen": 0.0},
    metrics=("fvd", "frame_fid", "fvd_released", "held_out_loss"),
    baseline="ssts",
    contrasts=(
        against(
            "sweep-3d",
            "one long sweep of the clip both ways instead of space and time in turn",
            "Space and time in turn are better than one long sweep",
            "One long sweep is better than space and time in turn",
            "One long sweep is not separated from space and time in turn",
        ),
        against(
            "zigzag-3d",
            "eight continuous walks of the clip instead of space and time in turn",
            "Space and time in turn are better than walks of the whole clip",
            "Walks of the whole clip are better than space and time in turn",
            "Walks of the whole clip are not separated from space and time in turn",
        ),
        against(
            "ststst",
            "as many scans of time as of space instead of one in four",
            "Scans of space are the better use of blocks",
            "More scans of time help",
            "More scans of time are not separated from fewer",
        ),
        against(
            "dit-st",
            "attention to space and time in turn instead of scans",
            "Scans are better than attention, both to space and time in turn",
            "Attention is better than scans, both to space and time in turn",
            "Scans are not separated from attention, both along space and time in turn",
        ),
    ),
    published=("ucf101",),
    # The factorized network of the release scans space three times as often as time; a sweep of the clip is both ways.
    published_as={
        "sweep-3d": "bidirectional (gpus=4, frames=16)",
        "zigzag-3d": "zigzag-3d (gpus=4, frames=16)",
        "ssts": "factorized-3d (gpus=4, frames=16)",
    },
    sources={
        "paper": (*PAPER, *CLIPS),
        "release": (
            *RELEASE,
            *RELEASE_CLIPS,
            *drops("sweep-3d", "zigzag-3d", *PATTERNS),
            *settings("README: data.batch_size=4 with 4 processes", training__batch=16),
        ),
    },
    profiles={
        "miniature": Profile(
            base=MOVING_DIGITS,
            axes=(Axis("arm", SMALL), SEEDS),
            metrics=("held_out_loss", "frechet_random_3d"),
            resources=SMALL_NEEDS,
            notes=(SURPLUS, NOTE),
        ),
        "rates": Profile(
            base={**MOVING_DIGITS, "evaluation.metrics": ["held_out_loss"]},
            axes=(rates(), grid("seed", (100, 101))),
            metrics=("held_out_loss",),
            resources=SMALL_NEEDS,
            notes=(SURPLUS, NOTE, "Run to choose the miniature's learning rate; two seeds that it does not use."),
        ),
    },
    resources=A100.override({"memory_gb": 256.0}),
    notes=(
        "In full on UCF101: class-conditional, 16 consecutive frames at 256×256, latents of 32×32 in patches of 2×2, "
        "4,096 tokens a clip.",
        SURPLUS,
        LEAST,
    ),
).as_in("release")
