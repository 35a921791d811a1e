"""Objectives at equal cost of training: many steps of a flow, or networks that sample in one. On the digits."""

from __future__ import annotations

from suites._few_step import BASE, OBJECTIVES, STEPS, arm, teacher
from suites._order import resources, seeds
from zigbench.suite import Axis, Contrast, Suite

ARMS = Axis("arm", {**{name: arm(name, "teacher") for name in OBJECTIVES}, "teacher": teacher()})

suite = Suite(
    name="few_step_training",
    question="Which objective trains the best network for four network evaluations, at equal cost of training?",
    base=BASE,
    axes=(ARMS, seeds()),
    equal={"parameters": 0.1},
    metrics=("frechet_digits", "kid_digits", "recognised"),
    baseline="flow",
    contrasts=tuple(
        Contrast(
            name,
            "flow",
            says=f"Trained with the objective {name} instead of the plain flow, in four evaluations",
            worse="The plain flow is better",
            better="The few-step objective is better",
            neither="The two are not separated",
        )
        for name in OBJECTIVES
        if name != "flow"
    ),
    resources=resources(0.5),
    order=("seed",),
    notes=(
        f"A miniature. The cost of each arm is that of {STEPS:,} steps of the flow, a student's teacher counted; the "
        "teacher alone has half of it. Networks of two times have 8 % more parameters.",
        "Each objective has the learning rate that `few_step_rate` chose for it, on a seed that is not reported.",
        "`few_step` samples these networks in one to thirty-two evaluations.",
    ),
)
