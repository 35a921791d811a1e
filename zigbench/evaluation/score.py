"""Scores of pictures that anyone made with anything, under the same protocols as a run's samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from zigbench.evaluation.feature_context import Captions, FeatureContext
from zigbench.evaluation.measure import measure_each
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.intervals import UndefinedStatisticError
from zigbench.evaluation.pictures import Pictures
from zigbench.evaluation.protocol import Protocol
from zigbench.evaluation.references import ReferenceImages
from zigbench.interpolant.options import unknown
from zigbench.records.record import Measurement
from zigbench.spec import registry
from zigbench.spec.presets import PRESETS

LOCAL = ("frechet_random", "kid_random")
"""Metrics of an evaluation that names none: those of images that need no download."""

ELSEWHERE = "pictures made elsewhere"
"""What stands in a protocol for the network's weights, its labels and its precision."""


def score(
    generated: Pictures,
    real: Pictures | Path | None,
    metrics: Sequence[str] = (),
    *,
    cache: Path,
    preset: str | None = None,
    held_out: Pictures | None = None,
    device: torch.device | str | None = None,
    weights: Mapping[str, Path] | None = None,
    bootstrap: int = 100,
) -> tuple[tuple[Measurement, ...], tuple[Protocol, ...]]:
    """Measure metrics of generated pictures against real ones, without a network.

    For example, two folders::

        measurements, protocols = score(Pictures.of(Path("mine")), Pictures.of(Path("photos")), cache=Path("cache"))

    Args:
        generated: the pictures to score.
        real: the pictures to compare them with, or a file of statistics (.npz); None for metrics that read captions.
        metrics: names of registered metrics that read features of images; none for those of the preset, or else those
            that need no download.
        cache: folder for weights of extractors and statistics of references.
        preset: name of the published protocol that the pictures follow, of :data:`zigbench.spec.presets.PRESETS`.
        held_out: real pictures for the metrics that are ratios to their distance.
        device: the device to compute on; None for the GPU where there is one.
        weights: files of weights to use in place of the published ones, by the extractor's name.
        bootstrap: resamples behind an interval; 0 for none.

    Returns:
        The measurements, and the protocol of each.

    Raises:
        MissingWeightsError: weights are not on this machine and cannot be downloaded.
        ValueError: an unknown metric or preset, a metric that needs a network, labels or real pictures, weights
            that no metric reads, pictures that can't be read, or ones that are not as the preset has them.
    """
    if preset is not None and preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    metrics = metrics or (LOCAL if preset is None else PRESETS[preset].metrics)
    for name in metrics:
        _check(registry.metrics.get(name))
    if real is None and (comparing := [name for name in metrics if not registry.metrics.get(name).captions]):
        raise ValueError(f"{', '.join(comparing)} compare with real pictures: give --real")
    if preset is not None and real is not None:
        _check_preset(preset, generated, real)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    context = PictureContext(
        generated, real, held_out, preset, metrics, cache=cache, device=device, weights=weights, bootstrap=bootstrap
    )
    extractors = sorted({name for metric in context.metrics for name in metric.extractors})
    if unread := sorted(set(context.weights).difference(extractors)):
        raise ValueError(
            f"weights of {', '.join(unread)} are given; the metrics read features of {', '.join(extractors)}"
        )
    for extractor in extractors:
        context.extractor(extractor)  # Missing weights fail here, before anything is measured.
    for metric in context.metrics:
        if metric.captions:
            context.text_encoder(metric, context.captions())
    return measure_each(context), tuple(context.protocols.values())


def _check_preset(preset: str, generated: Pictures, real: Pictures | Path) -> None:
    wanted = PRESETS[preset].keys["evaluation.samples"]
    if len(generated) != wanted:
        raise ValueError(f"{preset} scores {wanted:,} pictures, and {generated.place} has {len(generated):,}")
    if PRESETS[preset].statistics and not isinstance(real, Path):
        raise ValueError(f"{preset} compares with a file of statistics (.npz with mu and sigma), not with pictures")
    references = PRESETS[preset].keys.get("evaluation.reference_count")
    if references is not None and not isinstance(real, Path) and len(real) != references:
        raise ValueError(f"{preset} compares with {references:,} pictures, and {real.place} has {len(real):,}")


def _check(metric: Metric) -> None:
    local = ", ".join(LOCAL)
    if not metric.extractors or metric.pixels:
        raise ValueError(f"{metric.name} is measured on a run, not on pictures alone; {local}, fid or fdd are")
    if "digits" in metric.extractors:
        raise ValueError(
            f"{metric.name} needs the digit classifier, which is trained on a data set; use {local} or fid"
        )
    if metric.frames is not None:
        raise ValueError(f"{metric.name} is a metric of clips; of pictures use {local} or fid")


class PictureContext(FeatureContext):
    """Pictures made elsewhere as the generated images of metrics; arguments as of :func:`score`."""

    def __init__(
        self,
        generated: Pictures,
        real: Pictures | Path | None,
        held_out: Pictures | None,
        preset: str | None,
        metrics: Sequence[str],
        **settings: Any,
    ) -> None:
        super().__init__(metrics, **settings)
        self.preset = preset
        self.generated = generated
        self.real = real
        self.held_out = held_out

    def samples(self) -> Pictures:
        """Return the generated pictures."""
        return self.generated

    def reference_source(self) -> ReferenceImages | Path:
        """Return the real pictures, or the file of their statistics."""
        assert self.real is not None
        return self.real if isinstance(self.real, Path) else self.real.as_reference

    def held_out_images(self) -> ReferenceImages:
        """Return the held-out real pictures.

        Raises:
            UndefinedStatisticError: there are none.
        """
        if self.held_out is None:
            raise UndefinedStatisticError("a ratio takes held-out real pictures: give --held-out")
        return self.held_out.as_reference

    def captions(self) -> Captions:
        """Return the captions beside the generated pictures."""
        return Captions(self.generated.captions, f"captions beside {self.generated.place.resolve().name}")

    def facts_of_samples(self) -> dict[str, Any]:
        """Return the number of the pictures and their treatment; what made them is not known."""
        count = len(self.generated)
        return {
            "samples": count,
            "indices": (0, count - 1),
            "labels": ELSEWHERE,
            "image_range": f"0–255, {self.generated.treatment}",
            "precision": ELSEWHERE,
            "network": ELSEWHERE,
            "preset": self.preset,
        }
