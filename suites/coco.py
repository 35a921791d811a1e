"""Text to image: do eight zigzags hold up on MS-COCO, with captions through cross-attention?"""

from __future__ import annotations

from suites._published import TRAINING, ZIGMA_B
from zigbench.spec import Resources
from zigbench.suite import Axis, Contrast, Suite, grid

COCO = {
    **TRAINING,
    "data.name": "coco",
    "data.config.resolution": 256,
    "evaluation.reference": "train",
}

ARMS = Axis(
    "arm",
    {
        "sweep-1": {**ZIGMA_B, "scan.curve": "sweep", "scan.schemes": 1},
        "zigzag-1": {**ZIGMA_B, "scan.curve": "zigzag", "scan.schemes": 1},
        "bidirectional": {"backbone.name": "sweep", "backbone.config.size": "B", "scan.schemes": 2},
        "zigzag-8": {**ZIGMA_B, "scan.curve": "zigzag", "scan.schemes": 8},
    },
)

suite = Suite(
    name="coco",
    question="Does the scan order matter for text to image on MS-COCO?",
    base=COCO,
    axes=(ARMS, grid("seed", (0, 1, 2))),
    equal={"parameters": 0.05, "images_seen": 0.0},
    metrics=("fid", "kid", "fdd", "held_out_loss"),
    baseline="zigzag-8",
    contrasts=(
        Contrast(
            "sweep-1",
            "zigzag-8",
            says="one forward sweep in every layer instead of eight zigzags",
            worse="The order matters for text to image",
            better="The order matters for text to image, in the opposite sense to the published one",
            neither="One forward sweep is not separated from eight zigzags for text to image",
        ),
        Contrast(
            "bidirectional",
            "zigzag-8",
            says="a sweep both ways in every layer instead of eight zigzags, one a layer",
            worse="Eight zigzags are better than a sweep both ways",
            better="A sweep both ways is better than eight zigzags",
            neither="Eight zigzags are not separated from a sweep both ways",
        ),
    ),
    published=("coco",),
    published_as={"sweep-1": "sweep", "zigzag-8": "zigzag-8"},
    resources=Resources(gpus=8, cpus=8, memory_gb=128.0, hours=24.0),
    notes=(
        "Captions are CLIP ViT-L/14's last hidden states, 77×768, read by cross-attention; one of an image's five is "
        "drawn at each visit. The published zigzag-8 has a second figure with 16 GPUs, 33.8.",
    ),
)
