"""The sweep that chooses the learning rates of `few_step_training`, by objective.

The seed is not that of the study. The rule: for each objective the lowest of the rates whose samples in four network
evaluations are within five per cent of the least Fréchet distance, since a higher one is nearer to divergence on other
seeds; a training that diverges rules its rate out. The students' teacher has its own rate.
"""

from __future__ import annotations

from suites._few_step import BASE, OBJECTIVES, arm, teacher
from suites._few_step import RATES as CHOSEN
from suites._order import resources, seeds
from zigbench.suite import Axis, Suite

RATES = (1.25e-3, 2.5e-3, 5e-3, 1e-2, 2e-2, 4e-2)

ARMS = Axis(
    "arm",
    {
        "teacher": teacher(CHOSEN["teacher"]),
        **{f"{name}, rate {rate:g}": arm(name, rate) for name in OBJECTIVES for rate in RATES},
    },
)

suite = Suite(
    name="few_step_rate",
    question="Which learning rate suits an objective, for samples in four network evaluations?",
    base=BASE,
    axes=(ARMS, seeds((100,))),
    equal={"parameters": 0.1},
    metrics=("frechet_digits", "kid_digits", "recognised"),
    baseline="flow, rate 0.01",
    resources=resources(0.5),
    notes=("A miniature, run to choose rates; its seed is not used by any study that is reported.",),
)
