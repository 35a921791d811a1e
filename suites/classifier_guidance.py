"""Guidance by a classifier of noisy images against guidance without one, on trained networks. On the digits."""

from __future__ import annotations

from suites._order import resources
from suites.two_seeds import suite as networks
from zigbench.suite import Axis, Contrast, Suite

KINDS = Axis(
    "guidance",
    {
        "none": {},
        **{f"free-{g:g}": {"sampler.guidance": g} for g in (1.5, 2.5)},
        # The network without labels: the label enters by the classifier alone.
        **{f"classifier-{w:g}": {"sampler.guidance": 0.0, "sampler.classifier_scale": w} for w in (1.0, 2.0, 4.0)},
        **{f"both-{w:g}": {"sampler.classifier_scale": w} for w in (0.5, 1.5)},
    },
)

suite = Suite(
    name="classifier_guidance",
    question="Does the gradient of a classifier guide samples as well as the difference of two network outputs?",
    networks=networks,
    base={
        "evaluation.metrics": ["frechet_digits", "kid_digits", "recognised"],
        "evaluation.sample_sets": 3,
        "evaluation.preview": 10,
    },
    axes=(KINDS, *networks.axes),
    metrics=("frechet_digits", "kid_digits", "recognised"),
    baseline="none · zigzag-8",
    contrasts=(
        Contrast(
            "classifier-1 · zigzag-8",
            "none · zigzag-8",
            says="A classifier guiding the network without labels instead of the network with labels",
            worse="The network knows its labels better than by the classifier",
            better="The classifier knows the labels better than the network",
            neither="The two are not separated",
        ),
        *(
            Contrast(
                f"{arm} · zigzag-8",
                "free-1.5 · zigzag-8",
                says=f"{says} instead of guidance without a classifier at 1.5",
                worse="Guidance without a classifier is better",
                better="The classifier guides better",
                neither="The two are not separated",
            )
            for arm, says in (
                ("both-0.5", "A classifier at 0.5 beside the network with labels"),
                ("classifier-2", "A classifier at 2 beside the network without labels"),
            )
        ),
    ),
    resources=resources(0.1),
    notes=(
        "Nothing is trained but the classifier, once: the networks are those of `two_seeds`. A miniature.",
        "The classifier that guides has seen the images that `recognised` and the features of the distance come from.",
    ),
)
