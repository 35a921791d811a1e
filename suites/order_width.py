"""Does the effect of the scan order last as the network grows? Three widths, each trained as long as the others."""

from __future__ import annotations

from suites._order import BASE, RATES, SETS, arms, rate_class, resources, seeds
from suites.order import CONTRASTS
from suites.order_length import STRATEGIES
from zigbench.suite import Axis, Profile, Suite, grid

WIDTHS = (32, 64, 128)


def axes(data: str) -> tuple[Axis, ...]:
    """Return arms × widths × seeds on a data set."""
    points = {}
    for curve, n in STRATEGIES:
        points |= arms([(curve, n)], {"optimizer.lr": RATES[data][rate_class(curve, n)]}).points
    return Axis("arm", points), grid("backbone.config.width", WIDTHS, "width"), seeds()


suite = Suite(
    name="order_width",
    question="Does the effect of the scan order last as the network grows?",
    base={**BASE, **SETS["digits"]},
    axes=axes("digits"),
    equal={"images_seen": 0.0},
    metrics=("held_out_loss", "frechet_digits", "recognised"),
    baseline="zigzag-8",
    contrasts=tuple(c for c in CONTRASTS if {c.a, c.b} <= {f"{curve}-{n}" for curve, n in STRATEGIES}),
    figures=("lasting",),
    profiles={
        "photographs": Profile(
            base=SETS["photographs"], axes=axes("photographs"), metrics=("held_out_loss", "frechet_random")
        )
    },
    resources=resources(2.0),
    order=("seed", "width"),
    notes=(
        "A miniature; the rates are those that `order_rate` chose at width 32, and are not swept at the other widths.",
    ),
)
