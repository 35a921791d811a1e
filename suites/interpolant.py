"""Which path, prediction and distribution of times train best, and how many network evaluations do samples need?"""

from __future__ import annotations

from suites.quickstart import suite as quickstart
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

suite = Suite(
    name="interpolant",
    question="Which path, prediction and distribution of times train best on the digits?",
    base={
        **quickstart.base,
        "backbone": {"name": "zigma", "patch": 1, "config": {"width": 32, "depth": 8}},
        "evaluation.metrics": ["frechet_digits", "held_out_loss", "recognised"],
        "evaluation.samples": 300,
    },
    axes=(ARMS, grid("sampler.steps", (2, 4, 8, 16), name="steps"), grid("seed", (0, 1, 2))),
    equal={"parameters": 0.0, "images_seen": 0.0},
    metrics=("frechet_digits", "held_out_loss", "recognised"),
    baseline="linear, velocity, uniform",
    contrasts=(
        Contrast(
            "gvp, velocity, uniform", "linear, velocity, uniform", says="the trigonometric path instead of the straight"
        ),
        Contrast("linear, noise, uniform", "linear, velocity, uniform", says="predicting the noise, not the velocity"),
        Contrast(
            "linear, velocity, logit-normal",
            "linear, velocity, uniform",
            says="times drawn around the middle instead of evenly",
        ),
    ),
    figures=("evaluations",),
    resources=quickstart.resources,
    notes=(
        "A miniature: networks of about 115,000 parameters on 8×8 handwritten digits, sampled with Heun's method, "
        "two network evaluations a step.",
        "The held-out loss is that of the straight path's velocity for every arm, on the same images, noise and times: "
        "other paths and predictions are converted, and held at the sampling cut-off where the conversion is singular. "
        "It does not depend on the steps.",
    ),
)
