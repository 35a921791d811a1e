"""Objectives at equal cost of training: many steps of a flow, or networks that sample in one. On the digits.

The cost of a step is counted in forward passes of the network: three for its own forward and backward pass, and those
that the objective takes besides (``further_evaluations`` of its config). A student's cost is its own and its teacher's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suites._order import BASE, SETS, resources, seeds
from zigbench.suite import Axis, Contrast, RunOf, Suite

STEPS = 1_920
"""Steps of the flow; every other arm takes as many as cost the same."""

TEACHER = STEPS // 2

FURTHER = {
    "mean-flow": 0.5,
    "consistency": 1.0,
    "consistency-distillation": 3.0,
    "reflow": 8.0,
    "progressive-distillation": 2.0,
}
"""Forward passes of an objective beside the training's three."""

TAUGHT = ("consistency-distillation", "reflow", "progressive-distillation")


def steps_of(objective: str) -> int:
    """Return the steps that an objective can take: all of the cost, or what a student's teacher leaves of it."""
    cost = 3 * (STEPS - TEACHER if objective in TAUGHT else STEPS)
    return int(cost / (3 + FURTHER[objective]))


def objective(name: str, config: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    """Return the keys of an arm that is trained with an objective."""
    own = {"objective": {"name": name, "config": dict(config)}, "training.steps": steps_of(name)}
    taught = {"objective.teacher": RunOf({"arm": "teacher"}), "training.start": RunOf({"arm": "teacher"})}
    return {**own, **(taught if name in TAUGHT else {}), **keys}


ARMS = Axis(
    "arm",
    {
        "flow": {},
        "mean-flow": objective("mean-flow", {}, **{"backbone.config.times": 2, "sampler.solver": "mean-flow"}),
        # Eight stages, as many as ECT's trainings have.
        "consistency": objective(
            "consistency", {"doubling": steps_of("consistency") // 8}, **{"sampler.solver": "consistency"}
        ),
        "teacher": {"training.steps": TEACHER},
        "reflow": objective("reflow", {"steps": 4}),
        "progressive-distillation": objective("progressive-distillation", {"steps": 4}),
        "consistency-distillation": objective("consistency-distillation", {}, **{"sampler.solver": "consistency"}),
    },
)

suite = Suite(
    name="few_step_training",
    question="Which objective trains the best network for four network evaluations, at equal cost of training?",
    base={
        **BASE,
        **SETS["digits"],
        "scan": {"curve": "zigzag", "schemes": 8},
        "optimizer.lr": 1e-2,
        "sampler.solver": "euler",
        "sampler.steps": 4,
        "evaluation.metrics": ["frechet_digits", "kid_digits", "recognised"],
        "evaluation.at": [],
    },
    axes=(ARMS, seeds()),
    equal={"parameters": 0.1},
    metrics=("frechet_digits", "kid_digits", "recognised"),
    baseline="flow",
    contrasts=tuple(
        Contrast(
            arm,
            "flow",
            says=f"Trained with the objective {arm} instead of the plain flow, in four evaluations",
            worse="The plain flow is better",
            better="The few-step objective is better",
            neither="The two are not separated",
        )
        for arm in ARMS.points
        if arm not in ("flow", "teacher")
    ),
    resources=resources(0.5),
    order=("seed",),
    notes=(
        f"A miniature. The cost of each arm is that of {STEPS:,} steps of the flow, a student's teacher counted; the "
        "teacher alone has half of it. Networks of two times have 8 % more parameters.",
        "The learning rate is one for all, that of the studies of orders at 1,920 steps; it is not tuned by objective.",
        "`few_step` samples these networks in one to thirty-two evaluations.",
    ),
)
