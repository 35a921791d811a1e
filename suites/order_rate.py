"""Which learning rate suits a scan order? The sweep that chooses the rates of `order` and `order_length`.

Three orders stand for the classes that the rates are chosen for: local in eight directions, local in one, and without
locality. The seeds are not those of the studies: rates chosen on the seeds they are then compared on would flatter
the chosen.
"""

from __future__ import annotations

from suites._order import BASE, SETS, resources, seeds
from zigbench.suite import Axis, Profile, Suite

CLASSES = (("zigzag", 8), ("zigzag", 1), ("random", 8))
RATES = (5e-3, 1e-2, 2e-2, 4e-2)
LOWER = 2.5e-3
"""A rate more where there are more tokens: on the photographs the best of the others was the lowest of them."""


def arms(rates: tuple[float, ...]) -> Axis:
    """Return the arms: each order at each rate."""
    return Axis(
        "arm",
        {
            f"{curve}-{n}, rate {rate:g}": {"scan.curve": curve, "scan.schemes": n, "optimizer.lr": rate}
            for curve, n in CLASSES
            for rate in rates
        },
    )


SEEDS = seeds((100, 101))


def profile(name: str) -> Profile:
    """Return the sweep on a data set by held-out loss alone."""
    return Profile(
        base={
            **SETS[name],
            "evaluation.metrics": ["held_out_loss"],
            "evaluation.samples": 500,
            "evaluation.batch": 100,
            "evaluation.at": [],
        },
        axes=(arms((LOWER, *RATES)), SEEDS),
    )


suite = Suite(
    name="order_rate",
    question="Which learning rate suits a scan order, by its class, on each data set?",
    base={**BASE, **profile("digits").base},
    axes=(arms(RATES), SEEDS),
    equal={"parameters": 0.0, "images_seen": 0.0},
    metrics=("held_out_loss",),
    baseline="zigzag-8, rate 0.01",
    profiles={name: profile(name) for name in SETS if name != "digits"},
    resources=resources(0.25),
    order=("seed",),
    notes=("A miniature, run to choose rates; its two seeds are not used by any study that is reported.",),
)
