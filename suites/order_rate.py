"""The sweep that chooses the learning rates of `order`, `order_length` and `mixer`, by the class of an order.

Three orders stand for the classes that the rates are chosen for: local in eight directions, local in one, and without
locality. The seeds are not those of the studies: rates chosen on the seeds they are then compared on would flatter
the chosen. The rule: for each data set, length and class the rate with the least mean held-out loss over the seeds
that it was trained on; a training that diverges rules its rate out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from suites._mixer import mixers
from suites._order import BASE, SETS, resources, seeds
from zigbench.suite import Axis, Profile, Suite

CLASSES = (("zigzag", 8), ("zigzag", 1), ("random", 8))
RATES = (5e-3, 1e-2, 2e-2, 4e-2)
LOWER = 2.5e-3
"""A rate more where there are more tokens: on the photographs the best of the others was the lowest of them."""


OF_LENGTHS: Mapping[tuple[str, int], tuple[float, ...]] = {
    ("digits", 480): (5e-3, 1e-2, 2e-2, 4e-2, 8e-2),
    ("digits", 7_680): (2.5e-3, 5e-3, 1e-2),
    ("digits", 30_720): (2.5e-3, 5e-3),
    ("photographs", 480): (5e-3, 1e-2, 2e-2),
    ("photographs", 7_680): (2.5e-3, 5e-3, 1e-2),
}
"""Rates for the other lengths of `order_length`: a short training bears higher ones, a long one wants lower ones."""


OF_MIXERS = (2.5e-3, 5e-3, 1e-2, 2e-2)
"""Rates for the mixers of `mixer`, along the local order in eight directions."""


def arms(rates: Iterable[float], classes: Iterable[tuple[str, int]] = CLASSES) -> Axis:
    """Return the arms: each order at each rate."""
    return Axis(
        "arm",
        {
            f"{curve}-{n}, rate {rate:g}": {"scan.curve": curve, "scan.schemes": n, "optimizer.lr": rate}
            for curve, n in classes
            for rate in rates
        },
    )


SEEDS = (100, 101)


def base(data: str) -> dict[str, object]:
    """Return the keys of the sweep on a data set: by held-out loss alone."""
    return {
        **SETS[data],
        "evaluation.metrics": ["held_out_loss"],
        "evaluation.samples": 500,
        "evaluation.batch": 100,
        "evaluation.at": [],
    }


def profiles() -> dict[str, Profile]:
    """Return the sweeps on the other data sets, those of the other lengths with one seed, and those by mixer."""
    of_sets = {
        data: Profile(base=base(data), axes=(arms((LOWER, *RATES)), seeds(SEEDS))) for data in SETS if data != "digits"
    }
    of_lengths = {
        f"{data}-{steps}": Profile(
            base={**base(data), "training.steps": steps},
            axes=(arms(rates), seeds(SEEDS[:1])),
        )
        for (data, steps), rates in OF_LENGTHS.items()
    }
    of_mixers = {
        name: Profile(
            base=base(data),
            axes=(arms(OF_MIXERS, CLASSES[:1]), mixers(), seeds(SEEDS)),
            equal={"parameters": 0.05, "images_seen": 0.0},
        )
        for name, data in (("mixers", "digits"), ("photographs-mixers", "photographs"))
    }
    return of_sets | of_lengths | of_mixers


suite = Suite(
    name="order_rate",
    question="Which learning rate suits a scan order, by its class, on each data set?",
    base={**BASE, **base("digits")},
    axes=(arms(RATES), seeds(SEEDS)),
    equal={"parameters": 0.0, "images_seen": 0.0},
    metrics=("held_out_loss",),
    baseline="zigzag-8, rate 0.01",
    profiles=profiles(),
    resources=resources(0.25),
    order=("seed",),
    notes=("A miniature, run to choose rates; its two seeds are not used by any study that is reported.",),
)
