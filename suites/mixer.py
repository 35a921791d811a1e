"""Does the visiting order still matter when the recurrence is another one, and as much as it matters to Mamba?

Six orders × four recurrences, each trained with the same seeds, and two mixers that see no order. Each contrast is
answered within each mixer, and its effect is compared with that in Mamba, seed by seed: an interaction. Contrasts,
margins and sizes were committed before a run existed.
"""

from __future__ import annotations

from suites._mixer import CONTROLS, SCANNING, mixers
from suites._order import BASE, MARGIN, SETS, arms, resources, seeds
from suites.order import CONTRASTS
from zigbench.suite import Axis, Contrast, Interaction, Profile, Suite

ORDERS = (("sweep", 1), ("raster", 8), ("zigzag", 1), ("zigzag", 8), ("hilbert", 8), ("random", 8))
NO_ORDER = "no order"
ARMS = Axis("arm", {**arms(ORDERS).points, NO_ORDER: {}})

# A mixer that scans has every order, and one that sees no order has a single arm.
EXCLUDED = (
    *({"mixer": name, "arm": NO_ORDER} for name in SCANNING),
    *({"mixer": name, "arm": arm} for name in CONTROLS for arm in ARMS.points if arm != NO_ORDER),
)

SWEEP = Contrast(
    "sweep-1",
    "zigzag-8",
    says="one forward sweep of the rows in every layer instead of eight zigzags in turn",
    worse="The order matters",
    better="The order matters, and the plain sweep is better",
    neither="The zigzags are not separated from the plain sweep",
    margin=MARGIN,
    same="The zigzags and the plain sweep are equal",
)

suite = Suite(
    name="mixer",
    question="Does the visiting order matter in every recurrence, and as much as it matters to Mamba?",
    base={**BASE, **SETS["digits"]},
    axes=(ARMS, mixers("digits"), seeds()),
    exclude=EXCLUDED,
    equal={"parameters": 0.05, "images_seen": 0.0},
    metrics=("held_out_loss", "frechet_digits", "kid_digits", "recognised"),
    baseline="zigzag-8",
    contrasts=(SWEEP, *(c for c in CONTRASTS if {c.a, c.b} <= set(ARMS.points))),
    interaction=Interaction("mixer", "mamba"),
    profiles={
        "photographs": Profile(
            base=SETS["photographs"],
            axes=(ARMS, mixers("photographs"), seeds()),
            metrics=("held_out_loss", "frechet_random", "kid_random"),
        ),
    },
    resources=resources(1.0),
    order=("seed", "mixer"),
    notes=(
        "A miniature: networks of about 117,000 parameters on images of 64 or 256 tokens.",
        "The mixers nc-ssd and attention see no order: they have one arm each, and show what a network without an "
        "order reaches at this size.",
        "The margin of equality is 0.005 in held-out loss, for an effect and for its difference from that in Mamba.",
    ),
)
