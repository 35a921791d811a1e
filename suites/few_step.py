"""Network evaluations that each objective needs: the networks of `few_step_training`, sampled. On the digits."""

from __future__ import annotations

from suites._few_step import OBJECTIVES
from suites._order import resources
from suites._published import A100
from suites.few_step_training import suite as networks
from zigbench.suite import Contrast, Profile, Suite, grid

EVALUATIONS = (1, 2, 4, 8, 16, 32)
METRICS = ("fid", "kid", "fdd")

suite = Suite(
    name="few_step",
    question="Which objective needs how many network evaluations, at equal cost of training?",
    networks=networks,
    base={"evaluation.metrics": ["frechet_digits", "kid_digits", "recognised"], "evaluation.preview": 10},
    axes=(networks.axes[0], grid("sampler.steps", EVALUATIONS, name="evaluations"), networks.axes[1]),
    equal={"parameters": 0.1},
    metrics=("frechet_digits", "kid_digits", "recognised"),
    baseline="flow",
    contrasts=tuple(
        Contrast(
            f"{arm} · {evaluations}",
            "flow · 32",
            says=f"{arm} in {evaluations} evaluation{'s' if evaluations > 1 else ''} instead of the plain flow in 32",
            worse="The plain flow in 32 is better",
            better="The fewer evaluations are better",
            neither="The two are not separated",
        )
        for arm in OBJECTIVES
        if arm != "flow"
        for evaluations in (1, 4)
    ),
    figures=("evaluations",),
    profiles={
        "celebahq": Profile(
            base={"evaluation.metrics": METRICS, "evaluation.preview": 10},
            metrics=METRICS,
            resources=A100,
            notes=("Nothing is trained: the networks are those of `few_step_training --profile celebahq`.",),
        )
    },
    resources=resources(0.1),
    notes=("Nothing is trained: the networks are those of `few_step_training`. A miniature.",),
)
