"""All families on the digits at equal parameter counts: the quickstart with every backbone there is."""

from __future__ import annotations

from suites.quickstart import suite as quickstart
from zigbench.suite import Axis, Suite, grid

# Widths and depths come nearest to ZigMa's 116,769 parameters on this grid (backbones.matched finds them).
SIZES = {
    "zigma": ("zigma", {"width": 32, "depth": 8}, {"scan.curve": "zigzag", "scan.schemes": 8}),
    "sweep-1": ("sweep", {"width": 32, "depth": 8}, {"scan.schemes": 1}),
    "sweep-2": ("sweep", {"width": 32, "depth": 6}, {"scan.schemes": 2}),
    "bidirectional": ("bidirectional", {"width": 32, "depth": 6}, {}),
    "vision-mamba": ("vision-mamba", {"width": 32, "depth": 6}, {}),
    "parallel": ("parallel", {"width": 28, "depth": 5}, {"scan.schemes": 4}),
    "dit": ("dit", {"width": 32, "depth": 6, "heads": 4, "mlp_ratio": 3.0}, {}),
    "u-vit": ("u-vit", {"width": 28, "depth": 10, "heads": 4}, {}),
    "dis": ("dis", {"width": 32, "depth": 6}, {}),
    "dim": ("dim", {"width": 40, "depth": 6}, {}),
}

ARMS = Axis(
    "arm",
    {
        label: {"backbone": {"name": family, "patch": 1, "config": config}, **scan}
        for label, (family, config, scan) in SIZES.items()
    },
)

suite = Suite(
    name="families",
    question="Which family of backbones learns the digits best at an equal number of parameters?",
    base=quickstart.base,
    axes=(ARMS, grid("seed", (0, 1, 2))),
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
