"""Does the visiting order matter to networks that have learned something: its locality, its continuity, its directions?

A factorial of curve × directions, every layer's direction in turn. Contrasts and margins were committed before a run
existed, and the seeds were never used before. A data set is a profile: effects are answered for each set by itself,
and are not pooled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from suites._order import BASE, CORE, CURVES, FACTORIAL, MARGIN, RATES, SETS, arms, rate_class, resources, seeds
from suites._published import MIDDLE, MIDDLE_SEEDS
from zigbench.suite import Axis, Contrast, Profile, Suite


def at_chosen_rates(data: str, strategies: tuple[tuple[str, int], ...]) -> Axis:
    """Return the arms, each at the rate that `order_rate` chose for its class on the data set."""
    points = {}
    for curve, n in strategies:
        points |= arms([(curve, n)], {"optimizer.lr": RATES[data][rate_class(curve, n)]}).points
    return Axis("arm", points)


def profile(data: str, strategies: tuple[tuple[str, int], ...], **more: Any) -> Profile:
    """Return the question on one data set, with other keys where ``more`` has them."""
    base: Mapping[str, Any] = {**SETS[data], **more}
    return Profile(
        base=base,
        axes=(at_chosen_rates(data, strategies), seeds()),
        metrics=tuple(name for name in SETS[data]["evaluation.metrics"] if name != "held_out_loss_token_0"),
    )


RELEASED = Contrast(
    "hilbert-released-8",
    "hilbert-8",
    says="the released Hilbert scan, which walks the inverse permutation, instead of the Hilbert curve",
    worse="The released Hilbert scan is worse than the curve it is named after",
    better="The released Hilbert scan is better than the curve it is named after",
    neither="The released Hilbert scan is not separated from the curve it is named after",
    margin=MARGIN,
    same="The released Hilbert scan and its curve are equal",
)

CONTRASTS = (
    Contrast(
        "raster-8",
        "zigzag-8",
        says="jumping back at every row's end instead of turning round in the same eight directions",
        worse="Continuity helps",
        better="Continuity hurts",
        neither="Continuity is not separated from jumps",
        margin=MARGIN,
        same="Continuity makes no difference",
    ),
    Contrast(
        "hilbert-8",
        "zigzag-8",
        says="the Hilbert curve (local in two dimensions) instead of the zigzag (local along rows)",
        worse="Locality in two dimensions does not help",
        better="Locality in two dimensions helps",
        neither="Hilbert is not separated from the zigzag",
        margin=MARGIN,
        same="Hilbert and the zigzag are equal",
    ),
    Contrast(
        "random-8",
        "raster-8",
        says="scanning in eight random orders instead of eight raster scans",
        worse="Locality helps",
        better="Locality hurts",
        neither="Locality is not separated from none",
        margin=MARGIN,
        same="Locality makes no difference",
    ),
    Contrast(
        "zigzag-1",
        "zigzag-8",
        says="scanning the zigzag in one direction instead of eight",
        worse="Directions help a local curve",
        better="Directions hurt a local curve",
        neither="Eight directions are not separated from one along a local curve",
        margin=MARGIN,
        same="Directions make no difference along a local curve",
    ),
    Contrast(
        "random-1",
        "random-8",
        says="scanning in one random order instead of eight",
        worse="Directions help without locality",
        better="Directions hurt without locality",
        neither="Eight random orders are not separated from one",
        margin=MARGIN,
        same="Directions make no difference without locality",
    ),
    Contrast(
        "zigzag-4",
        "zigzag-8",
        says="scanning in four directions instead of eight",
        worse="Eight directions are better than four",
        better="Four directions are better than eight",
        neither="Eight directions are not separated from four",
        margin=MARGIN,
        same="Four directions are enough",
    ),
    RELEASED,
)

MIDDLE_ARMS = (*((curve, 8) for curve in CURVES), ("zigzag", 1), ("random", 1), ("zigzag", 4))
"""Curve and directions of the arms that the contrasts need, and no other: each takes hours of a GPU."""

suite = Suite(
    name="order",
    question="Does the visiting order matter to networks that have learned something, and what of it: locality, "
    "continuity, or the number of directions?",
    base={**BASE, **SETS["digits"]},
    axes=(at_chosen_rates("digits", FACTORIAL), seeds()),
    equal={"parameters": 0.0, "images_seen": 0.0},
    metrics=("held_out_loss", "frechet_digits", "kid_digits", "recognised"),
    baseline="zigzag-8",
    contrasts=CONTRASTS,
    profiles={
        "digits-core": profile("digits", CORE),
        "digits-deep": profile("digits", FACTORIAL, **{"backbone.config.depth": 16}),
        **{name: profile(name, FACTORIAL) for name in ("photographs", "normalised", "mnist")},
        **{f"{name}-core": profile(name, CORE) for name in ("photographs", "normalised", "mnist")},
        "middle": replace(
            MIDDLE,
            base={**MIDDLE.base, "optimizer.weight_decay": 0.01, "optimizer.clip": 2.0},
            axes=(arms(MIDDLE_ARMS), MIDDLE_SEEDS),
            metrics=("held_out_loss", "fid", "kid"),
        ),
        "photographs-deep": profile("photographs", FACTORIAL, **{"backbone.config.depth": 16}),
    },
    published=("scan_curve", "order_receptive_field"),
    # The published Hilbert rows stand beside the curve and beside what the release walked under its name.
    published_as={f"hilbert-released-{n}": f"hilbert-{n}" for n in (2, 8)},
    resources=resources(0.5),
    order=("seed",),
    notes=(
        "A miniature: networks of about 115,000 parameters on images of 64 to 256 tokens. Contrasts and margins were "
        "committed before the runs existed; seeds 5, 6, 7 were never used before; learning rates were chosen by "
        "`order_rate` on seeds 100 and 101.",
        "The margin of equality is 0.005 in held-out loss.",
    ),
)
