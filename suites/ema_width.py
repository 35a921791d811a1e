"""The width of the average swept on trained networks, recombined from the snapshots that they kept. On the digits."""

from __future__ import annotations

from suites._order import resources
from suites.two_seeds import suite as networks
from zigbench.suite import Contrast, Suite, grid

WIDTHS = (0.03, 0.05, 0.075, 0.1, 0.14, 0.2)

suite = Suite(
    name="ema_width",
    question="Which width of the average of the weights is best after one training?",
    networks=networks,
    base={
        "evaluation.metrics": ["held_out_loss"],
        "evaluation.preview": 0,
        "evaluation.at": [],
        "evaluation.sample_sets": 1,
    },
    axes=(grid("ema_std", WIDTHS, name="width"), *networks.axes),
    metrics=("held_out_loss",),
    baseline="0.05",
    contrasts=tuple(
        Contrast(str(width), "0.05", says=f"A relative width of {width} instead of 0.05")
        for width in WIDTHS
        if width != 0.05
    ),
    resources=resources(0.1),
    notes=(
        "Nothing is trained: the networks are those of `two_seeds`, whose averages of the widths 0.05 and 0.10 were "
        "kept; the others are recombined by least squares (Karras et al. 2024).",
    ),
)
