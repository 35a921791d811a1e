"""Shared settings of the studies of objectives: arms at equal cost of training, and their learning rates.

The cost of a step is counted in forward passes of the network: three for its own forward and backward pass, and those
that the objective takes besides (``further_evaluations`` of its config). A student's cost is its own and its teacher's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suites._order import BASE as OF_ORDERS
from suites._order import SETS
from zigbench.suite import Axis, RunOf

STEPS = 1_920
"""Steps of the flow; every other arm takes as many as cost the same."""

FURTHER = {
    "flow": 0.0,
    "mean-flow": 0.5,
    "consistency": 1.0,
    "consistency-distillation": 3.0,
    "reflow": 8.0,
    "progressive-distillation": 2.0,
}
"""Forward passes of an objective beside the training's three."""

TAUGHT = ("consistency-distillation", "reflow", "progressive-distillation")
TUNED = ("consistency", *TAUGHT)
"""Objectives that begin with the teacher's weights; Geng et al. (2024) tune a diffusion model too."""


def steps_of(objective: str, steps: int = STEPS) -> int:
    """Return the steps that an objective can take at the cost of ``steps`` of the flow, or of what the teacher leaves.

    The teacher takes half of them.
    """
    cost = 3 * (steps - steps // 2 if objective in TUNED else steps)
    return int(cost / (3 + FURTHER[objective]))


BASE: Mapping[str, Any] = {
    **OF_ORDERS,
    **SETS["digits"],
    "scan": {"curve": "zigzag", "schemes": 8},
    "sampler.solver": "euler",
    "sampler.steps": 4,
    "evaluation.metrics": ["frechet_digits", "kid_digits", "recognised"],
    "evaluation.samples": 1_000,
    "evaluation.at": [],
}

OBJECTIVES: Mapping[str, Mapping[str, Any]] = {
    "flow": {},
    "mean-flow": {
        "objective": {"name": "mean-flow"},
        "backbone.config.times": 2,
        # Sinusoids of 1000 t would make the derivative by t, which is in the target, a thousand times as large.
        "backbone.config.time": "unit",
        "sampler.solver": "mean-flow",
    },
    "consistency": {"objective": {"name": "consistency"}, "sampler.solver": "consistency"},
    "reflow": {"objective": {"name": "reflow", "config": {"steps": 4}}},
    "progressive-distillation": {"objective": {"name": "progressive-distillation", "config": {"steps": 4}}},
    "consistency-distillation": {
        "objective": {"name": "consistency-distillation"},
        "sampler.solver": "consistency",
    },
}
"""Keys of each objective beside its length, learning rate and teacher."""

RATES: Mapping[str, float] = {
    "teacher": 1e-2,
    "flow": 1e-2,
    "mean-flow": 1e-2,
    "consistency": 1.25e-3,
    "reflow": 1e-2,
    "progressive-distillation": 1.25e-3,
    "consistency-distillation": 2.5e-3,
}
"""Learning rates by objective, chosen by `few_step_rate`; the teacher's is that of `order_rate` for the flow.

Those of consistency and of progressive distillation are the lowest of the sweep; the next higher ones are within 1 %.
"""


def arm(name: str, rate: float, steps: int = STEPS) -> dict[str, Any]:
    """Return the keys of an arm.

    Args:
        name: of an objective; the arm ``teacher`` is its teacher.
        rate: learning rate.
        steps: steps of the flow at the same cost.
    """
    own = steps_of(name, steps)
    keys = {**OBJECTIVES[name], "training.steps": own, "optimizer.lr": rate}
    if name == "consistency":
        # Eight stages, as many as ECT's trainings have.
        keys["objective"] = {**OBJECTIVES[name]["objective"], "config": {"doubling": own // 8}}
    if name in TUNED:
        keys["training.start"] = RunOf({"arm": "teacher"})
    if name in TAUGHT:
        keys["objective.teacher"] = RunOf({"arm": "teacher"})
    return keys


def teacher(rate: float, steps: int = STEPS) -> dict[str, Any]:
    """Return the keys of the arm ``teacher``: the flow, with half of the steps."""
    return {"training.steps": steps // 2, "optimizer.lr": rate}


def arms(rates: Mapping[str, float], steps: int = STEPS) -> Axis:
    """Return the arms of equal cost, each objective at its learning rate, and the teacher."""
    points = {name: arm(name, rates[name], steps) for name in OBJECTIVES}
    return Axis("arm", {**points, "teacher": teacher(rates["teacher"], steps)})
