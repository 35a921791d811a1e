"""What a metric finds at hand: the run's samples, features, references and held-out errors, each made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from zigbench.data.pixels import QUANTISATION
from zigbench.evaluation.extractors.catalogue import load_extractor
from zigbench.evaluation.extractors.features import Extractor, features_of, reads_clips, tensors_sha256
from zigbench.evaluation.generation import Plan, Samples, generate
from zigbench.evaluation.images import reference_images
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.held_out import HeldOutErrors, held_out_errors
from zigbench.evaluation.protocol import Protocol
from zigbench.evaluation.references import Reference, reference_of, shared_reference
from zigbench.interpolant import Interpolant
from zigbench.spec import RunSpec, registry


def process() -> tuple[int, int]:
    """Rank of this process and their number: (0, 1) outside a process group."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


class EvaluationContext:
    """One trained network and everything its metrics share.

    Args:
        model: the network with its averaged weights, in evaluation mode, on ``device``.
        interpolant: the meaning of its output.
        data: the data set's loader. Where the data are latents it has ``decode`` (latents to images in [-1, 1]),
            ``decoder``, which says in words what decodes, and ``originals``, the pictures of a split.
        spec: the run.
        folder: the run's folder, for samples.
        cache: folder shared by runs, for weights and statistics.
        device: where to compute.
        on_progress: called with the pieces of work done and their total.
        weights: files of weights to use in place of the published ones, by the extractor's name.
        step: the step of the training that the weights are of; None for those of the finished network.
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
        """Latents to images in [-1, 1], where the data are latents; otherwise None."""
        return getattr(self.data, "decode", None)

    @property
    def held_out(self) -> Any:
        """The held-out split."""
        return self.data.split("held-out")

    @property
    def work(self) -> int:
        """Triples and samples that the metrics and the preview take: the total of the progress."""
        held_out = any(metric.extractor is None for metric in self.metrics)
        return held_out * self.spec.evaluation.held_out + self.sample_count

    @property
    def sample_count(self) -> int:
        """Samples to generate: those the metrics take, or the preview's alone where no metric takes any."""
        wanted = self.spec.evaluation
        if any(metric.extractor is not None for metric in self.metrics):
            return wanted.samples
        return min(wanted.preview, wanted.samples) if self.step is None else 0

    def held_out_errors(self) -> HeldOutErrors:
        """Return the network's errors on the held-out triples."""
        if self._errors is None:
            self._errors = self.errors_of(self.model, self.interpolant, on_batch=self._advance)
        return self._errors

    def errors_of(
        self, model: Any, interpolant: Interpolant, *, on_batch: Callable[[int], None] | None = None
    ) -> HeldOutErrors:
        """Return the errors of any model on the run's held-out triples; arguments as :func:`held_out_errors`."""
        wanted = self.spec.evaluation
        return held_out_errors(
            model,
            interpolant,
            self.held_out,
            count=wanted.held_out,
            triples=wanted.triples,
            patch=self.spec.backbone.patch,
            batch=wanted.batch,
            device=self.device,
            on_batch=on_batch,
        )

    def samples(self) -> Samples:
        """The run's generated samples, made now unless they lie in its folder.

        In a process group every process must ask for them: each makes its share and waits for the others.
        """
        if self._samples is None:
            geometry = self.spec.geometry
            plan = Plan(
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
        """The feature extractor called ``name``, on the context's device."""
        if name not in self._extractors:
            self._extractors[name] = load_extractor(
                name, self.cache, data=self.data, weights=self.weights.get(name), device=self.device
            )
        return self._extractors[name]

    def features(self, metric: Metric) -> Tensor:
        """Features of the samples that a metric reads, float32 (N, D); all metrics of one extractor share a pass."""
        assert metric.extractor is not None
        assert metric.feature is not None
        if metric.feature not in self._features.get(metric.extractor, {}):
            wanted = {m.feature for m in (*self.metrics, metric) if m.extractor == metric.extractor}
            names = sorted(name for name in wanted if name is not None)
            extractor = self.extractor(metric.extractor)
            self._features[metric.extractor] = features_of(extractor, self.samples(), names)
        return self._features[metric.extractor][metric.feature]

    def together(self, metric: Metric) -> int:
        """Rows of a metric's features that one sample gives: the frames of a clip, where they are read one by one."""
        assert metric.extractor is not None
        frames = self.spec.geometry.frames
        return 1 if frames is None or reads_clips(self.extractor(metric.extractor)) else frames

    def reference(self, metric: Metric) -> Reference:
        """Statistics of the reference images in a metric's features."""
        assert metric.extractor is not None
        assert metric.feature is not None
        key = (metric.extractor, metric.feature)
        if key not in self._references:
            extractor = self.extractor(metric.extractor)
            which = self.spec.evaluation.reference
            if which.endswith(".npz"):
                self._references[key] = shared_reference(Path(which), extractor, metric.feature)
            else:
                found = reference_images(self.data, which)
                self._references[key] = reference_of(found, extractor, metric.feature, self.cache)
        return self._references[key]

    def protocol(self, metric: Metric, estimator: str, against: Reference | None = None, **facts: Any) -> Protocol:
        """The conditions of a metric in this run, kept for the run's folder.

        Args:
            metric: which.
            estimator: how features or errors become the number, with its settings.
            against: what the samples were compared with.
            facts: further fields of :class:`Protocol`.
        """
        facts.setdefault("precision", str(next(self.model.parameters()).dtype).removeprefix("torch."))
        if metric.extractor is not None:
            extractor = self.extractor(metric.extractor)
            count = self.sample_count
            frames = self.together(metric)
            each = f"; each of the {frames} frames of a clip by itself" if frames > 1 else ""
            facts |= {
                "extractor": extractor.name,
                "feature": metric.feature,
                "weights": extractor.sha256,
                "preparation": extractor.preparation + each,
                "samples": count,
                "indices": (0, count - 1),
                "labels": self._labels(),
                "solver": self.spec.sampler.solver,
                "steps": self.spec.sampler.steps,
                "guidance": self.spec.sampler.guidance,
                "sampler_options": self.spec.sampler.options or None,
                "decoder": self._decoder(),
                "image_range": QUANTISATION,
            }
        if against is not None:
            facts |= {
                "reference": against.name,
                "reference_split": against.split,
                "reference_count": against.count,
                "reference_hash": against.content_hash,
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
