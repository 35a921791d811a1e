"""The published video table: a sweep both ways, the 3D zigzag and the factorized zigzag on UCF101, on 4 and 16 GPUs."""

from __future__ import annotations

from suites._published import A100, DROPS, LEARNED, LEAST, PAPER, RELEASE, STEPS, TRAINING, TWO_NODES, drops, settings
from zigbench.suite import Axis, Contrast, Suite, grid

UCF101 = {
    **TRAINING,
    "data.name": "ucf101",
    "data.config": {"resolution": 256, "frames": 16, "official_split": "all"},
    "backbone.patch": 2,
    "evaluation.batch": 16,
    "evaluation.preview": 10,
    "evaluation.metrics": ["fvd", "frame_fid", "fvd_released", "held_out_loss"],
    "evaluation.reference_count": None,
}


def zigma(**config: object) -> dict[str, object]:
    """Return keys of ZigMa-B on clips."""
    return {"backbone.name": "zigma-video", "backbone.config": {"size": "B", **DROPS, **config}}


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

CLIPS = (
    *settings("paper: 13,320 clips", data__config__official_split="all"),
    *settings("paper: 16 frames at 256 pixels", data__config__frames=16, data__config__resolution=256),
    *settings("config/model: patch_size 2", backbone__patch=2),
)

RELEASE_CLIPS = (
    *LEARNED,
    *settings("README: data.sample_fid_n=200", evaluation__samples=200),
    *settings("README: data.sample_fid_every=10,000", evaluation__at=list(range(10_000, STEPS, 10_000))),
    *settings("train_acc.py: more clips than the set has, so all", evaluation__reference_count=None),
)

GPUS = Axis(
    "gpus",
    {
        "4": {"training.batch": 80, "resources.gpus": 4},
        "16": {"training.batch": 320, **TWO_NODES},
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
    sources={
        "paper": (
            *PAPER,
            *CLIPS,
            *settings(
                "paper, table 6: 16 GPUs", {"gpus": "16"}, training__batch=320, resources__gpus=8, resources__nodes=2
            ),
            *settings("paper: ssts on UCF101", {"arm": "factorized-3d"}, backbone__config__pattern="ssts"),
        ),
        "release": (
            *RELEASE,
            *RELEASE_CLIPS,
            *drops(),
            *settings("README: data.batch_size=4 with 4 processes", {"gpus": "4"}, training__batch=16),
            *settings("README: data.batch_size=4, with the paper's 16", {"gpus": "16"}, training__batch=64),
            *settings(
                "config/model/3d_zigzag8sst_b2.yaml: zzvideo_sst",
                {"arm": "factorized-3d"},
                backbone__config__pattern="sst",
            ),
        ),
    },
    resources=A100.override({"memory_gb": 256.0}),
    notes=(
        "Class-conditional on all 13,320 clips but 320, which are held out for the loss "
        "(--set data.config.official_split=1 for the official split), 16 consecutive frames at 256×256, latents of "
        "32×32 in patches of 2×2: 4,096 tokens a clip. Reference clips are those of training.",
        "The paper has GPUs and frames, not the batch: 80 and 320 are its 20 a GPU for most experiments; the release's "
        "commands have 4 a GPU. The published FVD was computed on pixels left at 0–255; fvd_released is the column to "
        "compare with it.",
        LEAST,
    ),
).as_in("release")
