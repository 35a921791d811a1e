"""Objectives at equal cost of training: many steps of a flow, or networks that sample in one. On the digits."""

from __future__ import annotations

from suites._few_step import BASE, OBJECTIVES, RATES, STEPS, arms
from suites._order import resources, seeds
from suites._published import A100, CELEBAHQ, DROPS
from suites._published import STEPS as PUBLISHED_STEPS
from zigbench.suite import Contrast, Profile, Suite

METRICS = ("fid", "kid", "fdd")

CELEBAHQ_256 = Profile(
    base={
        **CELEBAHQ,
        "backbone": {"name": "zigma", "patch": 1, "config": {"size": "B", **DROPS}},
        "scan": {"curve": "zigzag", "schemes": 8},
        "optimizer": {"weight_decay": 0.01, "clip": 2.0},
        "sampler": {"solver": "euler", "steps": 4},
        "evaluation": {"metrics": METRICS, "samples": 5_000, "reference_count": 20_000},
    },
    axes=(arms(dict.fromkeys(RATES, 1e-4), PUBLISHED_STEPS), seeds()),
    metrics=METRICS,
    resources=A100,
    notes=(
        f"The cost of each arm is that of {PUBLISHED_STEPS:,} steps of the flow, a student's teacher counted; the "
        "teacher alone has half of it. Settings are those of the suite celebahq.",
        "The learning rate is the paper's for every objective: it is not tuned.",
        "`few_step --profile celebahq` samples these networks in one to thirty-two evaluations.",
    ),
)

suite = Suite(
    name="few_step_training",
    question="Which objective trains the best network for four network evaluations, at equal cost of training?",
    base=BASE,
    axes=(arms(RATES), seeds()),
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
    profiles={"celebahq": CELEBAHQ_256},
    resources=resources(0.5),
    order=("seed",),
    notes=(
        f"A miniature. The cost of each arm is that of {STEPS:,} steps of the flow, a student's teacher counted; the "
        "teacher alone has half of it. Networks of two times have 8 % more parameters.",
        "Each objective has the learning rate that `few_step_rate` chose for it, on a seed that is not reported.",
        "`few_step` samples these networks in one to thirty-two evaluations.",
    ),
)
