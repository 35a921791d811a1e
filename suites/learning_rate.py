"""A small sweep of learning rates, so that no family is ranked at another's best rate.

Its seeds are not those of the suites that use the rates: rates chosen on the seeds they are then compared on would
flatter the chosen.
"""

from __future__ import annotations

from suites._digits import BASE, RESOURCES
from suites._sizes import SIZES
from zigbench.suite import Axis, Suite, grid

# sweep-2 is left out: along the rows it is the bidirectional network under another name.
FAMILIES = tuple(name for name in SIZES if name != "sweep-2")
RATES = (2e-3, 5e-3, 1e-2, 2e-2, 4e-2)

suite = Suite(
    name="learning_rate",
    question="Which learning rate suits each family of backbones on the digits?",
    base={**BASE, "evaluation.metrics": ["held_out_loss"]},
    axes=(
        Axis(
            "arm",
            {
                f"{family}, rate {rate:g}": {**SIZES[family], "optimizer.lr": rate}
                for family in FAMILIES
                for rate in RATES
            },
        ),
        grid("seed", (100, 101)),
    ),
    equal={"parameters": 0.05, "images_seen": 0.0},
    metrics=("held_out_loss",),
    baseline="zigma, rate 0.01",
    resources=RESOURCES,
    notes=("A miniature, run to choose the rates of the suites on digits; two seeds that those do not use.",),
)
