"""The networks of `ot_coupling`, sampled in few steps: straighter paths need fewer. Nothing is trained."""

from __future__ import annotations

from suites._order import resources
from suites.ot_coupling import suite as networks
from zigbench.suite import Contrast, Suite, grid

STEPS = (1, 2, 4, 8, 16)

suite = Suite(
    name="few_step_coupling",
    question="In how few steps of Euler's method do networks sample that were trained with pairs by optimal transport?",
    networks=networks,
    base={"evaluation.metrics": ["frechet_digits", "kid_digits", "recognised"], "evaluation.preview": 10},
    axes=(networks.axes[0], grid("sampler.steps", STEPS, name="steps"), networks.axes[1]),
    metrics=("frechet_digits", "kid_digits", "recognised"),
    baseline="independent",
    contrasts=tuple(
        Contrast(
            f"optimal-transport · {steps}",
            f"independent · {steps}",
            says=f"Pairs by optimal transport instead of pairs as drawn, in {steps} step{'s' if steps > 1 else ''}",
            worse="Optimal transport hurts",
            better="Optimal transport helps",
            neither="Optimal transport is not separated from pairs as drawn",
        )
        for steps in STEPS
    ),
    figures=("evaluations",),
    resources=resources(0.1),
    notes=("Nothing is trained: the networks are those of `ot_coupling`. A miniature.",),
)
