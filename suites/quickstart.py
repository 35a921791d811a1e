"""The quickstart: does the visiting order matter? The first corner of `order`, on digits, in minutes."""

from __future__ import annotations

from suites._order import BASE, SETS, resources, seeds
from suites.order import CONTRASTS, at_chosen_rates
from zigbench.suite import Suite

STRATEGIES = (("zigzag", 8), ("zigzag", 1), ("raster", 8), ("hilbert", 8), ("hilbert-released", 8), ("random", 8))
ARMS = at_chosen_rates("digits", STRATEGIES)

suite = Suite(
    name="quickstart",
    question=(
        "Does the order in which a Mamba backbone visits the patches matter, "
        "and is the Hilbert curve as bad as published?"
    ),
    # Half of the steps of `order`: enough for every arm to beat a linear map of the images.
    base={**BASE, **SETS["digits"], "training.steps": 960, "evaluation.at": []},
    axes=(ARMS, seeds()),
    equal={"parameters": 0.0, "images_seen": 0.0},
    metrics=("held_out_loss", "frechet_digits", "kid_digits", "recognised"),
    baseline="zigzag-8",
    contrasts=tuple(contrast for contrast in CONTRASTS if {contrast.a, contrast.b} <= ARMS.points.keys()),
    published=("scan_curve", "order_receptive_field"),
    published_as={"hilbert-released-8": "hilbert-8"},
    resources=resources(0.1),
    order=("seed",),
    notes=(
        "A miniature: networks of about 115,000 parameters on 8×8 handwritten digits, trained on 15,360 images. "
        "`order` asks the same of longer trainings and more orders; the learning rate is the one that it chose.",
    ),
)
