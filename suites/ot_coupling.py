"""Does pairing noise and data by optimal transport within a batch pay? Trainings on the digits, as they end."""

from __future__ import annotations

from suites._order import BASE, SETS, resources, seeds
from zigbench.suite import Axis, Contrast, Profile, Suite

COUPLINGS = Axis("coupling", {name: {"interpolant.coupling": name} for name in ("independent", "optimal-transport")})

suite = Suite(
    name="ot_coupling",
    question="Does pairing the noise and the images of a batch by optimal transport train a better network?",
    base={
        **BASE,
        **SETS["digits"],
        "scan": {"curve": "zigzag", "schemes": 8},
        "optimizer.lr": 1e-2,
        # The pairs are sought within a batch, so that a larger one straightens more.
        "training.batch": 64,
        "training.steps": 1_920,
        "sampler.solver": "euler",
        "evaluation.at": [],
    },
    axes=(COUPLINGS, seeds()),
    equal={"parameters": 0.0, "images_seen": 0.0},
    metrics=("frechet_digits", "kid_digits", "recognised", "held_out_loss"),
    baseline="independent",
    contrasts=(
        Contrast(
            "optimal-transport",
            "independent",
            says="Pairs by optimal transport instead of pairs as drawn, sampled in ten steps of Euler's method",
            worse="Optimal transport hurts",
            better="Optimal transport helps",
            neither="Optimal transport is not separated from pairs as drawn",
        ),
    ),
    profiles={
        "photographs": Profile(base=SETS["photographs"], metrics=("frechet_random", "kid_random", "held_out_loss"))
    },
    resources=resources(0.25),
    order=("seed",),
    notes=(
        "A miniature. The held-out loss is that of pairs as drawn for both: not what the second arm is trained on.",
        "On the digits the network is given labels, and the pairs do not heed them: the noise of a class is then no "
        "longer standard normal in training, while it is in sampling. The photographs have no labels.",
        "`few_step_coupling` samples these networks in one to sixteen steps.",
    ),
)
