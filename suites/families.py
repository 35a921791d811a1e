"""All families on the digits at equal parameter counts: the quickstart with every backbone there is."""

from __future__ import annotations

from suites.quickstart import suite as quickstart
from suites.sizes import SIZES
from zigbench.suite import Axis, Suite, grid

suite = Suite(
    name="families",
    question="Which family of backbones learns the digits best at an equal number of parameters?",
    base=quickstart.base,
    axes=(Axis("arm", SIZES), grid("seed", (0, 1, 2))),
    equal={"parameters": 0.05, "images_seen": 0.0},
    metrics=quickstart.metrics,
    baseline="zigma",
    figures=("pareto",),
    resources=quickstart.resources,
    notes=(
        "A miniature on 8×8 handwritten digits. The learning rate was swept for zigma, bidirectional and dit only "
        "(suite learning_rate); the others train at the same rate, which need not be their best.",
    ),
)
