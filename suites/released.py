"""The released weights, each on the data and by the protocol of its publication: the cheapest reproduction there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zigbench.spec import PRESETS, Resources
from zigbench.suite import Axis, ReleasedFile, Suite, grid

HUGGING_FACE = "huggingface.co/taohu/zigma"
SIZE_B = "--set backbone.config.size=B"
SIZE_XL = "--set backbone.config.size=XL"

FILES = {
    "faceshq1024_0090000.pt": ReleasedFile("zigma", HUGGING_FACE, SIZE_B),
    "landscape1024_0210000.pt": ReleasedFile("zigma", HUGGING_FACE, SIZE_B),
    "churches256_0280000.pt": ReleasedFile("zigma", HUGGING_FACE, SIZE_B),
    "zigzagN8_b1_pe2_coco14_bs48_0400000.pt": ReleasedFile("zigma", HUGGING_FACE, SIZE_B),
    "DiT-XL-2-256x256.pt": ReleasedFile(
        "dit", "https://dl.fbaipublicfiles.com/DiT/models/DiT-XL-2-256x256.pt", SIZE_XL
    ),
    "SiT-XL-2-256x256.pt": ReleasedFile("sit", "the link in download.py of github.com/willisma/SiT", SIZE_XL),
}
"""Where each file is from, and what its import takes that is not in it."""


def zigma(file: str, patch: int, position: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return keys of a released ZigMa-B of eight zigzags."""
    return {
        "weights": file,
        "data": data,
        "backbone": {"name": "zigma", "patch": patch, "config": {"size": "B"}},
        "position": position,
        "scan.curve": "zigzag",
        "scan.schemes": 8,
    }


IMAGENET: Mapping[str, Any] = {
    "data": {"name": "imagenet", "config": {"resolution": 256}},
    "sampler.guidance": 1.5,
    "sampler.guidance_channels": 3,
    "evaluation.metrics": ["fid", "kid", "inception_score"],
    "evaluation.reference_count": None,
}


def xl(file: str, time: str, preset: str) -> dict[str, Any]:
    """Return keys of a released DiT-XL/2, whose output has a learned variance.

    Args:
        file: its name.
        time: convention of its time input.
        preset: the protocol whose sampler, number of samples and labels it takes, compared with the training images.
    """
    backbone = {"name": "dit", "patch": 2, "config": {"size": "XL", "learned_sigma": True, "time": time}}
    return {**IMAGENET, **PRESETS[preset].keys, "weights": file, "backbone": backbone}


ARMS = Axis(
    "arm",
    {
        "faceshq-1024": {
            **zigma("faceshq1024_0090000.pt", 2, "none", {"name": "faceshq", "config": {"resolution": 1024}}),
            "evaluation.reference_count": 80_000,
        },
        "landscapehq-1024": {
            **zigma("landscape1024_0210000.pt", 2, "none", {"name": "landscapehq", "config": {"resolution": 1024}}),
            "evaluation.reference_count": 80_000,
        },
        "churches-256": zigma(
            "churches256_0280000.pt", 1, "learned", {"name": "lsun-churches", "config": {"resolution": 256}}
        ),
        "coco-256": zigma(
            "zigzagN8_b1_pe2_coco14_bs48_0400000.pt",
            1,
            "learned",
            {"name": "coco", "config": {"resolution": 256, "autoencoder": "sd-1.5"}},
        ),
        "dit-xl-2": {
            **xl("DiT-XL-2-256x256.pt", "reversed", "adm-50k"),
            "interpolant.path": "vp",
            "interpolant.prediction": "noise",
        },
        "sit-xl-2": xl("SiT-XL-2-256x256.pt", "unit", "sit-250-sde"),
    },
)

suite = Suite(
    name="released",
    question="Do the released weights reach their published figures under the protocols that they were published with?",
    base={
        "task": "evaluate",
        "sampler.solver": "dopri5",
        "evaluation.samples": 5_000,
        "evaluation.reference": "train",
        "evaluation.reference_count": 20_000,
        "evaluation.metrics": ["fid", "kid"],
    },
    axes=(ARMS, grid("seed", (0,))),
    metrics=("fid", "kid", "inception_score"),
    baseline="coco-256",
    published=("coco", "released_weights"),
    published_as={"coco-256": "zigzag-8 (batch=48)", "dit-xl-2": "DiT-XL/2", "sit-xl-2": "SiT-XL/2"},
    files=FILES,
    resources=Resources(gpus=1, cpus=8, memory_gb=64.0, hours=24.0),
    notes=(
        "Each arm is another network on other data: the figures of two arms are not to be compared. The README has "
        "31.0 for COCO, and no figure for the other three of ZigMa.",
        "DiT and SiT as their papers have it: 50,000 samples of classes drawn uniformly, with a guidance of 1.5 on the "
        "first three channels, DiT by 250 ancestral steps, SiT by 250 of its stochastic sampler; the reference is the "
        "training set and not the statistics of ADM.",
    ),
)
