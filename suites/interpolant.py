"""Does another path, prediction or distribution of times train better than the published, one change at a time?"""

from __future__ import annotations

from suites._digits import BASE, LABELS, RESOURCES
from zigbench.suite import Axis, Contrast, Suite, grid

# The published choice first; then one thing changed at a time, then the classical diffusions.
ARMS = Axis(
    "arm",
    {
        "linear, velocity, uniform": {},
        "gvp, velocity, uniform": {"interpolant.path": "gvp"},
        "linear, noise, uniform": {"interpolant.prediction": "noise"},
        "linear, data, uniform": {"interpolant.prediction": "data"},
        "linear, velocity, logit-normal": {"interpolant.time": "logit-normal"},
        "linear, velocity, mode": {"interpolant.time": "mode"},
        "vp, noise, uniform": {"interpolant.path": "vp", "interpolant.prediction": "noise"},
        "cosine, velocity, uniform": {"interpolant.path": "cosine"},
    },
)

PUBLISHED = "linear, velocity, uniform"

CHANGES = {
    "gvp, velocity, uniform": "the trigonometric path instead of the straight",
    "cosine, velocity, uniform": "the cosine schedule's path instead of the straight",
    "linear, noise, uniform": "predicting the noise, not the velocity",
    "linear, data, uniform": "predicting the data, not the velocity",
    "linear, velocity, logit-normal": "logit-normal times, around the middle, instead of even ones",
    "linear, velocity, mode": "mode-sampled times, heavier in the middle, instead of even ones",
    "vp, noise, uniform": "the classical diffusion, which predicts the noise on the variance-preserving path,",
}
"""Each arm's change to the published choice, as the subject of a sentence."""

SD3 = {
    PUBLISHED: "rf",
    "linear, velocity, logit-normal": "rf/lognorm(0.00, 1.00)",
    "linear, velocity, mode": "rf/mode(1.29)",
    "vp, noise, uniform": "eps/linear",
    "cosine, velocity, uniform": "v/cos",
}
"""The arms that Stable Diffusion 3's paper has too, by its names."""

STEPS = {2: 5, 8: 25, 16: 50}
"""Steps of Heun's method beside the published steps, of one network evaluation each."""

suite = Suite(
    name="interpolant",
    question=(
        "Does another path, prediction or distribution of times train better than the published choice on the digits?"
    ),
    base={
        **BASE,
        "backbone": {"name": "zigma", "patch": 1, "config": {"width": 32, "depth": 8}},
        "evaluation.metrics": ["frechet_digits", "held_out_loss", "recognised"],
        "evaluation.samples": 300,
    },
    axes=(ARMS, grid("sampler.steps", (2, 4, 8, 16), name="steps"), grid("seed", (0, 1, 2))),
    equal={"parameters": 0.0, "images_seen": 0.0},
    metrics=("frechet_digits", "held_out_loss", "recognised"),
    baseline=PUBLISHED,
    contrasts=tuple(Contrast(arm, PUBLISHED, says=says) for arm, says in CHANGES.items()),
    figures=("evaluations",),
    published=("sd3_ranking", "sd3_variants", "flow_matching"),
    published_as={
        **{f"{arm} · {n}": f"{name} (steps={steps})" for arm, name in SD3.items() for n, steps in STEPS.items()},
        f"{PUBLISHED} · 4": "FM w/ OT",
        "vp, noise, uniform · 4": "DDPM",
    },
    resources=RESOURCES,
    notes=(
        "A miniature: networks of about 115,000 parameters on 8×8 handwritten digits, sampled with Heun's method, "
        "two network evaluations a step.",
        "The held-out loss is that of the straight path's velocity for every arm, on the same images, noise and times: "
        "other paths and predictions are converted, and held at the sampling cut-off where the conversion is singular. "
        "It does not depend on the steps.",
        "The answer's figures are means over the numbers of steps.",
        "One thing is changed at a time; what two changes do together is asked of the classical diffusion alone. Every "
        "arm trains at a rate chosen for the velocity on the straight path: an arm that "
        "another rate suits better is ranked too low.",
        LABELS,
        "Published beside it: networks of other kinds and sizes on ImageNet, CC12M and CIFAR-10. The variance-"
        "preserving path with predicted noise stands for LDM's linear schedule and for DDPM.",
    ),
)
