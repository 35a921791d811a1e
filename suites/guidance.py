"""Guidance swept on trained networks, and chosen for each order by samples that are not reported. On the digits."""

from __future__ import annotations

from suites._order import resources
from suites.two_seeds import suite as networks
from zigbench.suite import Choice, Contrast, Suite, grid

suite = Suite(
    name="guidance",
    question="Which guidance is best for each order, and does the difference of two orders outlast the choice?",
    networks=networks,
    base={
        "evaluation.metrics": ["frechet_digits", "recognised"],
        "evaluation.sample_sets": 3,
        "evaluation.preview": 0,
    },
    axes=(networks.axes[0], grid("sampler.guidance", (1.0, 1.5, 2.5), name="guidance"), networks.axes[1]),
    metrics=("frechet_digits", "recognised"),
    baseline="zigzag-8",
    contrasts=(Contrast("zigzag-1", "zigzag-8", says="One zigzag instead of eight"),),
    choice=Choice("guidance", "frechet_digits"),
    resources=resources(0.1),
    notes=("Nothing is trained: the networks are those of `two_seeds`.",),
)
