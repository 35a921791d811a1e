"""A small sweep of learning rates, so that no family of the quickstart is ranked at another's best rate.

Its seeds are not the quickstart's: rates chosen on the seeds they are then compared on would flatter the chosen.
"""

from __future__ import annotations

from suites.quickstart import ARMS
from suites.quickstart import suite as quickstart
from zigbench.suite import Axis, Suite, grid

FAMILIES = {"zigma": "zigzag-8", "bidirectional": "bidirectional", "dit": "dit"}
RATES = (2e-3, 5e-3, 1e-2, 2e-2, 4e-2)

suite = Suite(
    name="learning_rate",
    question="Which learning rate suits each family of the quickstart?",
    base={**quickstart.base, "evaluation.metrics": ["held_out_loss"]},
    axes=(
        Axis(
            "arm",
            {
                f"{family}, rate {rate:g}": {**ARMS.points[arm], "optimizer.lr": rate}
                for family, arm in FAMILIES.items()
                for rate in RATES
            },
        ),
        grid("seed", (100, 101)),
    ),
    equal={"parameters": 0.05, "images_seen": 0.0},
    metrics=("held_out_loss",),
    baseline="zigma, rate 0.01",
    resources=quickstart.resources,
    notes=("A miniature, run to choose the rates of the quickstart; two seeds that the quickstart does not use.",),
)
