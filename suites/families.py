"""All families on the digits at equal parameter counts, each at a learning rate of its own."""

from __future__ import annotations

from suites._digits import BASE, METRICS, RESOURCES
from suites._sizes import SIZES
from zigbench.suite import Axis, Suite, grid

# Of the rates that the suite learning_rate tries, the one with the lowest mean loss over its seeds.
RATES = {
    "zigma": 2e-2, "sweep-1": 2e-2, "sweep-2": 1e-2, "bidirectional": 1e-2, "vision-mamba": 2e-2, "parallel": 2e-2,
    "dit": 2e-2, "u-vit": 5e-3, "dis": 2e-2, "dim": 2e-2,
}  # fmt: skip

ARMS = Axis("arm", {family: {**keys, "optimizer.lr": RATES[family]} for family, keys in SIZES.items()})

suite = Suite(
    name="families",
    question="Which family of backbones learns the digits best at an equal number of parameters?",
    base=BASE,
    axes=(ARMS, grid("seed", (0, 1, 2))),
    equal={"parameters": 0.05, "images_seen": 0.0},
    metrics=METRICS,
    baseline="zigma",
    figures=("pareto",),
    resources=RESOURCES,
    notes=(
        "A miniature on 8×8 handwritten digits, 240 steps. Every family trains at the best of the rates that the suite "
        "learning_rate tried on other seeds; sweep-2 and bidirectional are one network under two names.",
    ),
)
