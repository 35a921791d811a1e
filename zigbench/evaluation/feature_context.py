"""The context of metrics that compare features: extractors, features and statistics, each computed once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zigbench.data.latents.autoencoder import CLIP
from zigbench.evaluation.extractors.catalogue import load_extractor
from zigbench.evaluation.extractors.clip_text import ClipText, load_text_encoder
from zigbench.evaluation.extractors.features import Extractor, extract_features, reads_clips
from zigbench.evaluation.images import ImageSet
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.intervals import bootstrap_interval
from zigbench.evaluation.protocol import Protocol
from zigbench.evaluation.references import Reference, ReferenceImages, compute_reference, read_reference
from zigbench.spec import registry
from zigbench.spec.files import short_sha256


@dataclass(frozen=True)
class Captions:
    """The captions of generated images.

    Attributes:
        texts: one an image.
        name: of the set that they are from.
        tokenizer: folder of CLIP's tokenizer, or its name in transformers' cache.
    """

    texts: tuple[str, ...]
    name: str
    tokenizer: str = CLIP

    @property
    def content_hash(self) -> str:
        """Hash of the texts in their order."""
        return short_sha256("\0".join(self.texts))


class FeatureContext(ABC):
    """Generated images and the real ones that they are compared with, in the features of any extractor.

    Args:
        metrics: names of the metrics; those that share an extractor share a pass over the images.
        cache: the folder that runs share, for weights and statistics.
        device: the device to compute on.
        weights: files of weights to use in place of the published ones, by the extractor's name.
        bootstrap: resamples behind an interval; 0 for none.
        data: the data set's loader, which the digit classifier is trained on; None without one.
    """

    def __init__(
        self,
        metrics: Sequence[str],
        *,
        cache: Path,
        device: torch.device | str = "cpu",
        weights: Mapping[str, Path] | None = None,
        bootstrap: int = 0,
        data: Any = None,
    ) -> None:
        self.metrics: tuple[Metric, ...] = tuple(registry.metrics.get(name) for name in metrics)
        self.cache = cache
        self.device = torch.device(device)
        self.weights = dict(weights or {})
        self.bootstrap = bootstrap
        self.data = data
        self.protocols: dict[str, Protocol] = {}
        self._extractors: dict[str, Extractor] = {}
        self._features: dict[str, dict[str, Tensor]] = {}
        self._references: dict[tuple[str, str], Reference] = {}

    @abstractmethod
    def samples(self) -> ImageSet:
        """Return the generated images."""

    @abstractmethod
    def reference_source(self) -> ReferenceImages | Path:
        """Return the real images that the generated ones are compared with, or a file of their statistics."""

    @abstractmethod
    def held_out_images(self) -> ReferenceImages:
        """Return real images that are no reference."""

    @abstractmethod
    def captions(self) -> Captions:
        """Return the caption that each generated image was drawn for.

        Raises:
            ValueError: the images have none.
        """

    def text_encoder(self, metric: Metric, captions: Captions) -> ClipText:
        """Return the encoder of captions into the space of a metric's features."""
        name, _ = source(metric)
        return load_text_encoder(self.cache, captions.tokenizer, self.weights.get(name), self.device)

    @abstractmethod
    def facts_of_samples(self) -> dict[str, Any]:
        """Return the fields of :class:`Protocol` that say how the generated images came about."""

    @property
    def frames(self) -> int | None:
        """Number of frames of a generated clip; None for images."""
        return None

    def forget_samples(self) -> None:
        """Drop the features of the generated images, for others in their place."""
        self._features.clear()

    def extractor(self, name: str) -> Extractor:
        """Return the feature extractor called ``name``, on the context's device."""
        if name not in self._extractors:
            self._extractors[name] = load_extractor(
                name, self.cache, data=self.data, weights=self.weights.get(name), device=self.device
            )
        return self._extractors[name]

    def features(self, metric: Metric) -> Tensor:
        """Return a metric's features of the samples, float32 (N, D); the metrics of one extractor share a pass."""
        name, feature = source(metric)
        if feature not in self._features.get(name, {}):
            wanted = {m.feature for m in (*self.metrics, metric) if m.extractor == name}
            names = sorted(feature for feature in wanted if feature is not None)
            self._features[name] = extract_features(self.extractor(name), self.samples(), names)
        return self._features[name][feature]

    def rows_per_sample(self, metric: Metric) -> int:
        """Return the number of rows of a metric's features per sample: a clip's frames if they are read one by one."""
        return 1 if self.frames is None or reads_clips(self.extractor(source(metric)[0])) else self.frames

    def reference(self, metric: Metric) -> Reference:
        """Return the statistics of the reference images in a metric's features."""
        name, feature = key = source(metric)
        if key not in self._references:
            images = self.reference_source()
            if isinstance(images, Path):
                self._references[key] = read_reference(images, self.extractor(name), feature)
            else:
                self._references[key] = compute_reference(images, self.extractor(name), feature, self.cache)
        return self._references[key]

    def held_out_reference(self, metric: Metric) -> Reference:
        """Return the statistics of the held-out real images in a metric's features, prepared as the reference."""
        name, feature = source(metric)
        return compute_reference(self.held_out_images(), self.extractor(name), feature, self.cache)

    def interval(
        self, metric: Metric, value: float, resample: Callable[[Tensor], Sequence[float]]
    ) -> tuple[float, float] | None:
        """Return the 95 % interval of a figure of the samples' features; see :func:`bootstrap_interval`.

        Args:
            metric: the metric.
            value: the figure.
            resample: the figure of each resample, given their rows (resamples, N).
        """
        rows = self.rows_per_sample(metric)
        return bootstrap_interval(value, resample, len(self.features(metric)), self.bootstrap, rows)

    def protocol(
        self, metric: Metric, estimator: str, compared_with: Reference | None = None, **facts: Any
    ) -> Protocol:
        """Return the protocol of a metric in this run, and note it for the run's folder.

        Args:
            metric: the metric.
            estimator: the computation of the number from features or errors, with its settings.
            compared_with: the statistics that the samples were compared with.
            facts: further fields of :class:`Protocol`.
        """
        if metric.extractor is not None:
            extractor = self.extractor(metric.extractor)
            frames = self.rows_per_sample(metric)
            each = f"; each of the {frames} frames of a clip by itself" if frames > 1 else ""
            facts |= {
                "extractor": extractor.name,
                "feature": metric.feature,
                "weights": extractor.sha256,
                "preparation": extractor.preparation + each,
            }
        if metric.reads_samples:
            facts |= self.facts_of_samples()
        if compared_with is not None:
            facts |= {
                "reference": compared_with.name,
                "reference_split": compared_with.split,
                "reference_count": compared_with.count,
                "reference_hash": compared_with.content_hash,
                "reference_unlabelled": compared_with.unlabelled_hash,
            }
        protocol = Protocol(metric=metric.name, estimator=estimator, **facts)
        self.protocols[protocol.hash] = protocol
        return protocol


def source(metric: Metric) -> tuple[str, str]:
    """Return the extractor and the feature of a metric that has one."""
    assert metric.extractor is not None
    assert metric.feature is not None
    return metric.extractor, metric.feature
