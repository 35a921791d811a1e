"""Does the effect of the scan order last as training goes on? Each length is a training with a schedule of its own."""

from __future__ import annotations

from suites._order import BASE, RATES, RATES_OF_LENGTH, SETS, arms, rate_class, resources, seeds
from suites.order import CONTRASTS
from zigbench.suite import Axis, Cells, Profile, Suite

STRATEGIES = (("zigzag", 8), ("zigzag", 1), ("hilbert", 8), ("random", 8))
LENGTHS = (480, 1_920, 7_680)
LONGEST = 30_720


def axes(data: str, lengths: tuple[int, ...]) -> tuple[Axis, ...]:
    """Return arms × lengths × seeds on a data set."""
    points = {}
    for curve, n in STRATEGIES:
        points |= arms([(curve, n)], {"optimizer.lr": RATES[data][rate_class(curve, n)]}).points
    steps = Axis("steps", {f"{length:,}": {"training.steps": length} for length in lengths})
    return Axis("arm", points), steps, seeds()


def rates(data: str) -> Cells:
    """Return the learning rates of the lengths that were swept for themselves."""
    return tuple(
        ({"arm": f"{curve}-{n}", "steps": f"{length:,}"}, {"optimizer.lr": rates[rate_class(curve, n)]})
        for (of, length), rates in RATES_OF_LENGTH.items()
        if of == data
        for curve, n in STRATEGIES
    )


def profile(data: str) -> Profile:
    """Return the question on another data set than the digits."""
    metrics = ("held_out_loss", "frechet_random")
    return Profile(base=SETS[data], axes=axes(data, LENGTHS), cells=rates(data), metrics=metrics)


suite = Suite(
    name="order_length",
    question="Does the effect of the scan order last as training goes on?",
    base={**BASE, **SETS["digits"]},
    axes=axes("digits", (*LENGTHS, LONGEST)),
    cells=rates("digits"),
    equal={"parameters": 0.0},
    metrics=("held_out_loss", "frechet_digits", "recognised"),
    baseline="zigzag-8",
    contrasts=tuple(c for c in CONTRASTS if {c.a, c.b} <= {f"{curve}-{n}" for curve, n in STRATEGIES}),
    figures=("lasting",),
    profiles={"photographs": profile("photographs")},
    resources=resources(2.0),
    order=("seed", "steps"),
    notes=("A miniature; each length has the rates that `order_rate` chose for it, on other seeds.",),
)
