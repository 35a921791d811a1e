"""Does bfloat16 change what is learned? One network on digits, in either precision, seed by seed."""

from __future__ import annotations

from suites._digits import BASE, LABELS, RESOURCES
from zigbench.suite import Axis, Contrast, Suite, grid

ARMS = Axis("arm", {precision: {"training.precision": precision} for precision in ("float32", "bfloat16")})

suite = Suite(
    name="precision",
    question="Does training in bfloat16 change what a Mamba backbone learns?",
    base={
        **BASE,
        "backbone": {"name": "zigma", "patch": 1, "config": {"width": 32, "depth": 8}},
    },
    axes=(ARMS, grid("seed", (0, 1, 2, 3, 4))),
    equal={"parameters": 0.0, "images_seen": 0.0},
    metrics=("held_out_loss", "frechet_digits", "kid_digits", "recognised"),
    baseline="float32",
    contrasts=(
        Contrast(
            "bfloat16",
            "float32",
            says="products and activations in bfloat16 instead of float32",
            worse="bfloat16 costs quality",
            better="bfloat16 gains quality",
            neither="Training in bfloat16 is not separated from training in float32",
        ),
    ),
    resources=RESOURCES,
    notes=(
        "A miniature: networks of about 115,000 parameters on 8×8 handwritten digits. Weights, their averages and the "
        "state of the scan are float32 in both arms, and both are measured in float32.",
        "On CPUs bfloat16 is slower than float32, which says nothing of GPUs: the suite asks about quality alone.",
        LABELS,
    ),
)
