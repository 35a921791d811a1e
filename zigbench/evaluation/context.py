"""The context of a run's metrics: its network, samples and held-out errors beside their features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from zigbench.data.latents.autoencoder import CLIP
from zigbench.data.pixels import QUANTISATION
from zigbench.evaluation.extractors.features import tensors_sha256
from zigbench.evaluation.feature_context import Captions, FeatureContext
from zigbench.evaluation.generation import Samples, SamplingPlan, drawn_labels, generate
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.noisy_digits import NoisyDigits
from zigbench.evaluation.protocol import Protocol
from zigbench.evaluation.references import Reference, ReferenceImages, reference_images
from zigbench.evaluation.triples import HeldOutErrors, held_out_errors
from zigbench.interpolant import Interpolant
from zigbench.spec import RunSpec
from zigbench.spec.rng import derive_seed

SHOWN = 16
"""Samples of each step along a training that are kept for the run's page."""


SAMPLES = "samples"
"""Folder of the samples in a run's folder."""


def process() -> tuple[int, int]:
    """Return the rank of this process and the number of processes; (0, 1) outside a process group."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def captions_of(data: Any) -> Captions:
    """Return the first caption of each held-out sample of a data set, in words: prepared data hold their embeddings.

    Raises:
        ValueError: the data state no captions, or their pictures have moved or have none.
    """
    if not hasattr(data, "originals"):
        raise ValueError("the data hold no captions in words, which the CLIP score compares images with")
    pictures = data.originals("held-out")
    if bare := sum(not text for text in pictures.captions) or not pictures.captions:
        raise ValueError(f"{int(bare)} of the {len(pictures)} held-out pictures of {pictures.name} have no caption")
    tokenizer = (data.index.get("text_encoder") or {}).get("source") or CLIP
    return Captions(tuple(pictures.captions), f"captions of {pictures.name}, held-out", tokenizer)


class EvaluationContext(FeatureContext):
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
        super().__init__(
            spec.evaluation.metrics,
            cache=cache,
            device=device,
            weights=weights,
            bootstrap=spec.evaluation.bootstrap,
            data=data,
        )
        self.model = model
        self.step = step
        self.interpolant = interpolant
        self.spec = spec
        self.folder = folder
        self._on_progress = on_progress
        self._done = 0
        self._errors: HeldOutErrors | None = None
        self._samples: Samples | None = None
        self._sample_set = 0

    @property
    def decode(self) -> Any:
        """Map from latents to images in [-1, 1]; None if the data are images."""
        return getattr(self.data, "decode", None)

    @cached_property
    def classifier(self) -> NoisyDigits | None:
        """The classifier that guides the samples; None at a scale of 0."""
        if not self.spec.sampler.classifier_scale:
            return None
        return NoisyDigits(self.data, self.interpolant.path, self.cache).to(self.device)

    @property
    def held_out(self) -> Any:
        """The held-out split."""
        return self.data.split("held-out")

    @property
    def work(self) -> int:
        """Number of triples and samples that the metrics and the preview need: the total of the progress."""
        held_out = any(metric.reads_errors for metric in self.metrics)
        return held_out * self.spec.evaluation.held_out + self.sample_sets * self.sample_count

    @property
    def sample_sets(self) -> int:
        """Number of sets of samples: one along a training, and where no metric reads samples."""
        if self.step is not None or not any(metric.reads_samples for metric in self.metrics):
            return 1
        return self.spec.evaluation.sample_sets

    def select_sample_set(self, number: int) -> None:
        """Let the samples be those of one set, in [0, :attr:`sample_sets`)."""
        self.bootstrap = 0  # The interval of a mean over sets is that of their scatter.
        self._sample_set = number
        self._samples = None
        self.forget_samples()

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
                seed=self._seed,
                count=self.sample_count,
                batch=min(self.spec.evaluation.batch, self.sample_count),
                shape=geometry.sample_shape,
                classes=geometry.classes,
                sampler=self.spec.sampler,
                labels=drawn_labels(
                    self.spec.evaluation.labels,
                    self._seed,
                    self.sample_count,
                    geometry.classes,
                    self.data.split("train"),
                ),
                identity=f"{tensors_sha256(self.model.state_dict())} {self._decoder()}"
                + ("" if self.classifier is None else f" {self.classifier.sha256}"),
            )
            folder = self.folder / (f"{SAMPLES}-set-{self._sample_set}" if self._sample_set else SAMPLES)
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
                classifier=self.classifier,
                device=self.device,
                on_batch=self._advance,
            )
            if world > 1:
                dist.barrier()
                self._advance(before + self.sample_count - self._done)
            self._samples = Samples.gather(folder, plan)
        return self._samples

    @property
    def frames(self) -> int | None:
        """Number of frames of a clip; None for images."""
        return self.spec.geometry.frames

    def reference_source(self) -> ReferenceImages | Path:
        """Return the images that the spec's ``evaluation.reference`` names, or the file of their statistics."""
        spec = self.spec.evaluation
        if spec.reference.endswith(".npz"):
            return Path(spec.reference)
        return reference_images(self.data, spec.reference, spec.reference_count)

    def held_out_images(self) -> ReferenceImages:
        """Return the held-out images, decoded where the reference is."""
        decoded = "-decoded" if self.spec.evaluation.reference.endswith("-decoded") else ""
        return reference_images(self.data, f"held-out{decoded}")

    def captions(self) -> Captions:
        """Return the held-out captions that the samples were drawn for, in words."""
        captions = captions_of(self.data)
        texts = tuple(captions.texts[index % len(captions.texts)] for index in range(self.sample_count))
        return replace(captions, texts=texts)

    def facts_of_samples(self) -> dict[str, Any]:
        """Return the fields of :class:`Protocol` that say how the samples were drawn."""
        return {
            "samples": self.sample_count,
            "indices": (0, self.sample_count - 1),
            "labels": self._labels(),
            "solver": self.spec.sampler.solver,
            "steps": self.spec.sampler.steps,
            "guidance": self.spec.sampler.guidance,
            "sampler_options": self.spec.sampler.options or None,
            "decoder": self._decoder(),
            "image_range": QUANTISATION,
            "preset": self.spec.evaluation.preset,
            "sample_sets": self.sample_sets,
            "classifier": None if self.classifier is None else self.classifier.sha256,
        }

    def protocol(
        self, metric: Metric, estimator: str, compared_with: Reference | None = None, **facts: Any
    ) -> Protocol:
        """Return the protocol of a metric in this run, with the precision of its network."""
        facts.setdefault("precision", str(next(self.model.parameters()).dtype).removeprefix("torch."))
        return super().protocol(metric, estimator, compared_with, **facts)

    @property
    def _seed(self) -> int:
        """The seed of the selected set of samples: for the first one the run's."""
        seed = self.spec.seed
        return derive_seed(seed, "sample set", self._sample_set) if self._sample_set else seed

    def _decoder(self) -> str | None:
        return None if self.decode is None else str(self.data.decoder)

    def _labels(self) -> str:
        if self.spec.geometry.context is not None:
            return "text i mod N of the held-out split for sample i"
        if self.spec.geometry.classes is not None:
            drawn = {"uniform": "drawn uniformly for each sample", "data": "of training images drawn for each sample"}
            balanced = f"i mod {self.spec.geometry.classes} for sample i"
            return drawn.get(self.spec.evaluation.labels, balanced)
        return "none"

    def _contexts(self, indices: Sequence[int]) -> Tensor:
        context = self.held_out.batch([index % len(self.held_out) for index in indices]).context
        assert context is not None
        return context

    def _advance(self, count: int) -> None:
        self._done += count
        if self._on_progress is not None:
            self._on_progress(self._done, self.work)
