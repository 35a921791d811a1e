"""The context of a run's metrics: samples, features, reference statistics and held-out errors, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from zigbench.data.pixels import QUANTISATION
from zigbench.evaluation.extractors.catalogue import load_extractor
from zigbench.evaluation.extractors.features import Extractor, extract_features, reads_clips, tensors_sha256
from zigbench.evaluation.generation import Samples, SamplingPlan, generate
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.intervals import bootstrap_interval
from zigbench.evaluation.protocol import Protocol
from zigbench.evaluation.references import Reference, compute_reference, read_reference, reference_images
from zigbench.evaluation.triples import HeldOutErrors, held_out_errors
from zigbench.interpolant import Interpolant
from zigbench.spec import RunSpec, registry

SHOWN = 16
"""Samples of each step along a training that are kept for the run's page."""


def process() -> tuple[int, int]:
    """Return the rank of this process and the number of processes; (0, 1) outside a process group."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


class EvaluationContext:
    """One network and everything that its metrics share; the first argument of every metric.

    For example, in your own metric::

        def measure(context, metric):
            features = context.features(metric)
            protocol = context.protocol(metric, estimator="mean feature")
            return (Measurement(name=metric.name, value=float(features.mean()), protocol=protocol.hash),)

    Args:
        model: the network with its averaged weights, in evaluation mode, on ``device``.
        interpolant: the meaning of its output.
        data: the data set's loader. If the data are latents it has ``decode`` (latents to images in [-1, 1]),
            ``decoder`` (the name of what decodes) and ``originals`` (the pictures of a split).
        spec: the run's spec.
        folder: the run's folder, for samples.
        cache: the folder that runs share, for weights and statistics.
        device: the device to compute on.
        on_progress: called with the pieces of work done and their total.
        weights: files of weights to use in place of the published ones, by the extractor's name.
        step: the training step of the weights; None for those of the finished network.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        interpolant: Interpolant,
        data: Any,
        spec: RunSpec,
        *,
        folder: Path,
        cache: Path,
        device: torch.device | str = "cpu",
        on_progress: Callable[[int, int], None] | None = None,
        weights: Mapping[str, Path] | None = None,
        step: int | None = None,
    ) -> None:
        self.model = model
        self.step = step
        self.interpolant = interpolant
        self.data = data
        self.spec = spec
        self.folder = folder
        self.cache = cache
        self.device = torch.device(device)
        self.weights = dict(weights or {})
        self.metrics: tuple[Metric, ...] = tuple(registry.metrics.get(name) for name in spec.evaluation.metrics)
        self.protocols: dict[str, Protocol] = {}
        self._on_progress = on_progress
        self._done = 0
        self._errors: HeldOutErrors | None = None
        self._samples: Samples | None = None
        self._extractors: dict[str, Extractor] = {}
        self._features: dict[str, dict[str, Tensor]] = {}
        self._references: dict[tuple[str, str], Reference] = {}

    @property
    def decode(self) -> Any:
        """Map from latents to images in [-1, 1]; None if the data are images."""
        return getattr(self.data, "decode", None)

    @property
    def held_out(self) -> Any:
        """The held-out split."""
        return self.data.split("held-out")

    @property
    def work(self) -> int:
        """Number of triples and samples that the metrics and the preview need: the total of the progress."""
        held_out = any(metric.reads_errors for metric in self.metrics)
        return held_out * self.spec.evaluation.held_out + self.sample_count

    @property
    def sample_count(self) -> int:
        """Number of samples to draw: that of the metrics, or of those that a page shows if no metric needs samples."""
        wanted = self.spec.evaluation
        if any(metric.reads_samples for metric in self.metrics):
            return wanted.samples
        return min(wanted.preview, wanted.samples, wanted.preview if self.step is None else SHOWN)

    def held_out_errors(self) -> HeldOutErrors:
        """Return the network's errors on the held-out triples."""
        if self._errors is None:
            self._errors = self.errors_of(self.model, self.interpolant, on_batch=self._advance)
        return self._errors

    def errors_of(
        self, model: Any, interpolant: Interpolant, *, on_batch: Callable[[int], None] | None = None
    ) -> HeldOutErrors:
        """Return the errors of any model on the run's held-out triples; arguments as :func:`held_out_errors`."""
        settings = self.spec.evaluation
        return held_out_errors(
            model,
            interpolant,
            self.held_out,
            count=settings.held_out,
            triples=settings.triples,
            patch=self.spec.backbone.patch,
            batch=settings.batch,
            device=self.device,
            on_batch=on_batch,
        )

    def samples(self) -> Samples:
        """Return the run's samples, drawn unless they lie in its folder.

        In a process group every process must call it: each draws its share and waits for the others.
        """
        if self._samples is None:
            geometry = self.spec.geometry
            plan = SamplingPlan(
                seed=self.spec.seed,
                count=self.sample_count,
                batch=min(self.spec.evaluation.batch, self.sample_count),
                shape=geometry.sample_shape,
                classes=geometry.classes,
                sampler=self.spec.sampler,
                identity=f"{tensors_sha256(self.model.state_dict())} {self._decoder()}",
            )
            folder = self.folder / "samples"
            rank, world = process()
            before = self._done
            generate(
                self.model,
                self.interpolant,
                plan,
                folder,
                rank=rank,
                world=world,
                contexts=None if geometry.context is None else self._contexts,
                decode=self.decode,
                device=self.device,
                on_batch=self._advance,
            )
            if world > 1:
                dist.barrier()
                self._advance(before + self.sample_count - self._done)
            self._samples = Samples.gather(folder, plan)
        return self._samples

    def extractor(self, name: str) -> Extractor:
        """Return the feature extractor called ``name``, on the context's device."""
        if name not in self._extractors:
            self._extractors[name] = load_extractor(
                name, self.cache, data=self.data, weights=self.weights.get(name), device=self.device
            )
        return self._extractors[name]

    def features(self, metric: Metric) -> Tensor:
        """Return a metric's features of the samples, float32 (N, D); the metrics of one extractor share a pass."""
        assert metric.extractor is not None
        assert metric.feature is not None
        if metric.feature not in self._features.get(metric.extractor, {}):
            wanted = {m.feature for m in (*self.metrics, metric) if m.extractor == metric.extractor}
            names = sorted(name for name in wanted if name is not None)
            extractor = self.extractor(metric.extractor)
            self._features[metric.extractor] = extract_features(extractor, self.samples(), names)
        return self._features[metric.extractor][metric.feature]

    def rows_per_sample(self, metric: Metric) -> int:
        """Return the number of rows of a metric's features per sample: a clip's frames if they are read one by one."""
        assert metric.extractor is not None
        frames = self.spec.geometry.frames
        return 1 if frames is None or reads_clips(self.extractor(metric.extractor)) else frames

    def reference(self, metric: Metric) -> Reference:
        """Return the statistics of the reference images in a metric's features."""
        assert metric.extractor is not None
        assert metric.feature is not None
        key = (metric.extractor, metric.feature)
        if key not in self._references:
            extractor = self.extractor(metric.extractor)
            which = self.spec.evaluation.reference
            if which.endswith(".npz"):
                self._references[key] = read_reference(Path(which), extractor, metric.feature)
            else:
                images = reference_images(self.data, which)
                self._references[key] = compute_reference(images, extractor, metric.feature, self.cache)
        return self._references[key]

    def held_out_reference(self, metric: Metric) -> Reference:
        """Return the statistics of the held-out real images in a metric's features, prepared as the reference."""
        assert metric.extractor is not None
        assert metric.feature is not None
        decoded = "-decoded" if self.spec.evaluation.reference.endswith("-decoded") else ""
        images = reference_images(self.data, f"held-out{decoded}")
        return compute_reference(images, self.extractor(metric.extractor), metric.feature, self.cache)

    def interval(
        self, metric: Metric, value: float, resample: Callable[[Tensor], Sequence[float]]
    ) -> tuple[float, float] | None:
        """Return the 95 % interval of a figure of the samples' features; see :func:`bootstrap_interval`.

        Args:
            metric: the metric.
            value: the figure.
            resample: the figure of each resample, given their rows (resamples, N).
        """
        return bootstrap_interval(
            value,
            resample,
            len(self.features(metric)),
            self.spec.evaluation.bootstrap,
            self.rows_per_sample(metric),
        )

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
        facts.setdefault("precision", str(next(self.model.parameters()).dtype).removeprefix("torch."))
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
            facts |= {
                "samples": self.sample_count,
                "indices": (0, self.sample_count - 1),
                "labels": self._labels(),
                "solver": self.spec.sampler.solver,
                "steps": self.spec.sampler.steps,
                "guidance": self.spec.sampler.guidance,
                "sampler_options": self.spec.sampler.options or None,
                "decoder": self._decoder(),
                "image_range": QUANTISATION,
            }
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

    def _decoder(self) -> str | None:
        return None if self.decode is None else str(self.data.decoder)

    def _labels(self) -> str:
        if self.spec.geometry.context is not None:
            return "text i mod N of the held-out split for sample i"
        if self.spec.geometry.classes is not None:
            return f"i mod {self.spec.geometry.classes} for sample i"
        return "none"

    def _contexts(self, indices: Sequence[int]) -> Tensor:
        context = self.held_out.batch([index % len(self.held_out) for index in indices]).context
        assert context is not None
        return context

    def _advance(self, count: int) -> None:
        self._done += count
        if self._on_progress is not None:
            self._on_progress(self._done, self.work)
