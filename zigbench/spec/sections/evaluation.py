"""The evaluation of a run: metrics, samples, references and intervals."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from zigbench.spec import registry
from zigbench.spec.base import OneOf, Positive, Spec, later_key
from zigbench.spec.presets import PRESETS


class EvaluationSpec(Spec):
    """The measurements after a training, and their samples.

    Args:
        metrics: names of registered metrics.
        samples: generated samples that the metrics of generation are computed on.
        batch: samples the network maps at once.
        preview: first samples kept for pictures.
        held_out: triples (image, noise, t) of the held-out loss.
        triples: choice of the triples' images from the N held-out ones: ``strided``, evenly over the whole split;
            ``consecutive``, image j mod N for triple j, as recorded before there was a choice.
        at: optimizer steps after which the metrics are measured too, from the averaged weights, as diagnostics; those
            from the training's last step on are left out.
        reference: images the samples are compared with: a split of the data (of latents, the pictures they were made
            of; ``train-decoded`` for what they decode to), or the path of a file of statistics.
        reference_count: images of that split that count, spread evenly over it; None for all. The released code
            compares with 5,000 training images a process.
        bootstrap: resamples behind an interval; 0 for none.
        labels: choice of the samples' classes: ``balanced``, i modulo their number for sample i; ``uniform``, drawn for
            each sample by itself; ``data``, those of training images that are drawn for each sample.
        sample_sets: sets of samples that are drawn from the network, each from noise of its own: a figure is the mean
            over them, and its ``samples`` are those of each. Metrics along the training take the first one alone.
        preset: a published protocol, whose sampler and number of samples the run then has.
    """

    metrics: tuple[str, ...] = ()
    samples: Positive = 5_000
    batch: Positive = 100
    preview: Annotated[int, Field(ge=0)] = 64
    held_out: Positive = 1_024
    reference: str = "train"
    bootstrap: Annotated[int, Field(ge=0)] = 100
    triples: Literal["consecutive", "strided"] = later_key("consecutive")
    at: tuple[Positive, ...] = later_key(())
    labels: Literal["balanced", "uniform", "data"] = later_key("balanced")
    sample_sets: Positive = later_key(1)
    preset: Annotated[str, OneOf(tuple(PRESETS))] | None = later_key(None)
    reference_count: Positive | None = later_key(None)

    @field_validator("reference")
    @classmethod
    def _readable(cls, reference: str) -> str:
        if reference.removesuffix("-decoded") not in ("train", "held-out") and not reference.endswith(".npz"):
            raise ValueError(
                "a reference is train, held-out, train-decoded, held-out-decoded, or the path of a file of statistics "
                "that ends in .npz"
            )
        return reference

    @field_validator("at")
    @classmethod
    def _increasing(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if any(a >= b for a, b in pairwise(steps)):
            raise ValueError("its steps must increase")
        return steps

    @model_validator(mode="after")
    def _count_of_images(self) -> Self:
        if self.reference_count is not None and self.reference.endswith(".npz"):
            raise ValueError("reference_count counts the images of a split; leave it out for a file of statistics")
        return self

    @field_validator("metrics")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            registry.metrics.get(name)
        return names
