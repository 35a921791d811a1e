"""The published video table: a sweep both ways, the 3D zigzag and the factorized zigzag on UCF101, on 4 and 16 GPUs."""

from __future__ import annotations

from suites._published import TRAINING
from zigbench.spec import Resources
from zigbench.suite import Axis, Contrast, Suite, grid

UCF101 = {
    **TRAINING,
    "data.name": "ucf101",
    "data.config": {"resolution": 256, "frames": 16},
    "backbone.patch": 2,
    "evaluation.batch": 16,
    "evaluation.preview": 10,
    "evaluation.metrics": ["fvd", "frame_fid", "fvd_released", "held_out_loss"],
}


def zigma(**config: object) -> dict[str, object]:
    """Return keys of ZigMa-B on clips."""
    return {"backbone.name": "zigma-video", "backbone.config": {"size": "B", **config}}


ARMS = Axis(
    "arm",
    {
        "bidirectional": {
            **zigma(pattern="joint", bidirectional=True),
            "scan.curve": "sweep",
            "scan.schemes": 1,
        },
        "zigzag-3d": {**zigma(pattern="joint"), "scan.curve": "zigzag", "scan.schemes": 8},
        "factorized-3d": {**zigma(pattern="ssts"), "scan.curve": "zigzag", "scan.schemes": 8},
    },
)

GPUS = Axis(
    "gpus",
    {
        "4": {"training.batch": 16, "resources": {"gpus": 4}},
        "16": {"training.batch": 64, "resources": {"gpus": 8, "nodes": 2}},
    },
)

suite = Suite(
    name="ucf101",
    question="How should a Mamba backbone scan the space and time of UCF101's clips, and do more GPUs change it?",
    base=UCF101,
    axes=(ARMS, GPUS, grid("seed", (0, 1, 2))),
    equal={"parameters": 0.05},
    metrics=("fvd", "frame_fid", "fvd_released", "held_out_loss"),
    baseline="factorized-3d",
    contrasts=(
        Contrast(
            "bidirectional · 4",
            "factorized-3d · 4",
            says="one long sweep of the clip both ways instead of scans of space and of time in turn, on 4 GPUs",
            worse="Scans of space and of time in turn are better than one long sweep",
            better="One long sweep is better than scans of space and of time in turn",
            neither="One long sweep is not separated from scans of space and of time in turn",
        ),
        Contrast(
            "zigzag-3d · 4",
            "factorized-3d · 4",
            says="eight continuous walks of the clip instead of scans of space and of time in turn, on 4 GPUs",
            worse="Scans of space and of time in turn are better than walks of the whole clip",
            better="Walks of the whole clip are better than scans of space and of time in turn",
            neither="Walks of the whole clip are not separated from scans of space and of time in turn",
        ),
        Contrast(
            "bidirectional · 16",
            "factorized-3d · 16",
            says="the long sweep again, on 16 GPUs",
            worse="The same holds on 16 GPUs",
            better="On 16 GPUs the long sweep is better",
            neither="On 16 GPUs the two are not separated",
        ),
    ),
    published=("ucf101",),
    published_as={f"{arm} · {gpus}": f"{arm} (gpus={gpus}, frames=16)" for arm in ARMS.points for gpus in GPUS.points},
    resources=Resources(gpus=4, cpus=8, memory_gb=256.0, hours=24.0),
    notes=(
        "Class-conditional on the official split 1, 16 consecutive frames at 256×256, latents of 32×32 in patches of "
        "2×2: 4,096 tokens a clip. Reference clips are those of training.",
        "The paper has GPUs and frames, not the batch: 16 and 64 are four clips a GPU, as released for large images. "
        "The published FVD was computed on pixels left at 0–255; fvd_released is the column to compare with it.",
    ),
)
