"""Settings that the suites share: the published training with its sources, and the miniature on photographs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zigbench.spec import PublishedSetting, Resources
from zigbench.suite import Profile, grid

STEPS = 400_000

# The release measures every 20,000 steps; the slides have figures at 20,000 and 30,000.
ALONG = sorted({30_000, *range(20_000, STEPS, 20_000)})
ALONG_1024 = list(range(10_000, STEPS, 10_000))

# Where the paper is silent these are the release's settings, and where the two differ the paper's; see SOURCES.
TRAINING: Mapping[str, Any] = {
    "optimizer.lr": 1e-4,
    "optimizer.weight_decay": 0.01,
    "optimizer.clip": 2.0,
    "training.steps": STEPS,
    "training.batch": 80,
    "training.ema": 0.9999,
    "training.precision": "float16",
    "sampler.solver": "dopri5",
    "evaluation.samples": 5_000,
    "evaluation.metrics": ["fid", "kid", "fdd", "held_out_loss"],
    "evaluation.reference_count": 20_000,
    "evaluation.at": ALONG,
}

DROPS: Mapping[str, float] = {"drop_path": 0.1, "label_dropout": 0.0}
"""Config of every scanning backbone: the release leaves out blocks while training, and no label or text."""

ZIGMA_B: Mapping[str, Any] = {
    "backbone.name": "zigma",
    "backbone.config.size": "B",
    **{f"backbone.config.{key}": value for key, value in DROPS.items()},
    "backbone.patch": 1,
}

A100 = Resources(gpus=4, cpus=8, memory_gb=128.0, hours=24.0)
"""Four GPUs of a node, as the paper has for most experiments; a run of more than a day continues in the next job."""

TWO_NODES: Mapping[str, int] = {"resources.gpus": 8, "resources.nodes": 2}

NO_CLIP = 1e9
"""A norm that no gradient reaches."""

Settings = tuple[PublishedSetting, ...]


def settings(source: str, where: Mapping[str, str] | None = None, /, **keys: Any) -> Settings:
    """Return settings that one place states; write ``__`` for a key's dots (``training__batch=80``)."""
    return tuple(PublishedSetting(key.replace("__", "."), value, source, where or {}) for key, value in keys.items())


PAPER: Settings = (
    *settings("paper", optimizer__lr=1e-4, optimizer__weight_decay=0.01, optimizer__clip=2.0),
    *settings("paper, 4.2: 20 images on each of 4 A100", training__batch=80, resources__gpus=4, resources__nodes=1),
    *settings("paper: metrics on 5,000 samples", evaluation__samples=5_000),
    *settings("slides: figures at 20,000 and 30,000 steps; else the release", evaluation__at=ALONG),
)

RELEASE: Settings = (
    *settings("config/optim/default.yaml", optimizer__lr=1e-4, optimizer__weight_decay=0.0),
    *settings(
        "train_acc.py: clips after the step, without effect, as a norm that no gradient reaches",
        optimizer__clip=NO_CLIP,
    ),
    *settings("config/data: train_steps", training__steps=STEPS),
    *settings("config/data: batch_size 20 a process, on the paper's 4", training__batch=80),
    *settings("config/default.yaml: ema_rate", training__ema=0.9999),
    *settings("README: --mixed_precision fp16", training__precision="float16"),
    *settings("config/ode/ode.yaml", sampler__solver="dopri5"),
    *settings("config/data: sample_fid_n", evaluation__samples=5_000),
    *settings("train_acc.py: batches of the training loader", evaluation__reference="train"),
    *settings("train_acc.py: 5,000 by each of 4 processes", evaluation__reference_count=20_000),
    *settings("config/data: sample_fid_every", evaluation__at=list(range(20_000, STEPS, 20_000))),
)

WITH_TEXT: Settings = settings(
    "train_acc.py: the autoencoder of Stable Diffusion 1.5 where there is text", data__config__autoencoder="sd-1.5"
)

LEARNED: Settings = settings("config/model: use_pe 2", position="learned")


def drops(*arms: str) -> Settings:
    """Return the release's dropout of blocks, labels and texts in these arms; in all where none is named."""
    return tuple(
        setting
        for where in ([{"arm": arm} for arm in arms] or [{}])
        for setting in (
            *settings("model_zigma.py: drop_path_rate", where, backbone__config__drop_path=0.1),
            *settings("train_acc.py: no label or text is left out", where, backbone__config__label_dropout=0.0),
        )
    )


RELEASED_FDD = (
    "The published FDD was computed on pixels left at 0 to 255; fdd_released is the column to compare with it."
)
"""A note of suites whose published tables have FDD."""

LEAST = (
    "The release reports the least FID of all evaluations along a training; the page states it beside that of the "
    "last step."
)
"""A note of suites that measure along the training."""

CELEBAHQ: Mapping[str, Any] = {**TRAINING, **ZIGMA_B, "data.name": "celebahq", "data.config.resolution": 256}
"""Unconditional CelebA-HQ at 256 pixels: ZigMa-B/1 on 32×32×4 latents."""

_PHOTOGRAPHS: Mapping[str, Any] = {
    "data": {"name": "photographs", "config": {"size": 16}},
    "backbone.patch": 1,
    "backbone.config": {"width": 32, "depth": 8},
    "optimizer.lr": 5e-3,
    "optimizer.weight_decay": 0.0,
    "optimizer.schedule": "cosine",
    "optimizer.warmup": 10,
    "training.steps": 120,
    "training.batch": 16,
    "training.ema": 0.98,
    "training.precision": "float32",
    "sampler.solver": "heun",
    "sampler.steps": 10,
    "evaluation.samples": 64,
    "evaluation.metrics": ["held_out_loss", "held_out_loss_token_0"],
    "evaluation.reference_count": None,
    "evaluation.at": [],
}


PHOTOGRAPHS = Profile(
    base=_PHOTOGRAPHS,
    metrics=("held_out_loss", "held_out_loss_token_0"),
    resources=Resources(cpus=1, memory_gb=2.0, hours=0.1),
    notes=(
        "A miniature: grey 16×16 crops of ten photographs, a token a pixel, networks of about 110,000 parameters, "
        "held-out crops from the right quarter of each picture. Steps and seeds were fixed before looking.",
    ),
)
"""The same question on ten photographs, in minutes on two cores."""

MIDDLE = Profile(
    base={
        "data": {"name": "image-folder", "config": {"path": "data/cifar10", "resolution": 32}},
        "backbone.patch": 2,
        "backbone.config": {"width": 256, "depth": 16, **DROPS},
        "optimizer.lr": 3e-4,
        "optimizer.schedule": "cosine",
        "optimizer.warmup": 500,
        "training.steps": 30_000,
        "training.batch": 128,
        "training.ema": 0.999,
        "training.precision": "bfloat16",
        "sampler.solver": "heun",
        "sampler.steps": 25,
        "evaluation.samples": 10_000,
        "evaluation.held_out": 2_048,
        "evaluation.triples": "strided",
        "evaluation.metrics": ["fid", "kid", "held_out_loss"],
        "evaluation.reference_count": None,
        "evaluation.at": [10_000, 20_000],
    },
    metrics=("fid", "kid", "held_out_loss"),
    resources=Resources(gpus=1, cpus=8, memory_gb=32.0, hours=2.0),
    notes=(
        "One GPU and about a day for eight arms: 10 million parameters, 256 patches of 2×2 pixels, 30,000 steps, three "
        "seeds, 10,000 samples. The hours are estimated and no GPU has a record yet; the learning rate is not tuned.",
        "Pictures of 32×32 in a folder that you have, CIFAR-10 in data/cifar10 unless --set data.config.path names "
        "another; CelebA or FFHQ at 64 pixels with --set data.config.resolution=64 and --set backbone.patch=4.",
    ),
)
"""The same question between the miniature and the published size, on pictures that people have."""

MIDDLE_BOTH_WAYS: Mapping[str, Any] = {"width": 256, "depth": 15, **DROPS}
"""Config of a network that scans both ways in every block, of as many parameters as the others."""

MIDDLE_SEEDS = grid("seed", (0, 1, 2))
