"""The evaluation of a trained network: every metric of its spec, over one set of samples."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from zigbench.evaluation.context import SAMPLES, EvaluationContext, captions_of, process
from zigbench.evaluation.extractors.catalogue import load_extractor
from zigbench.evaluation.extractors.clip_text import load_text_encoder
from zigbench.evaluation.feature_context import FeatureContext
from zigbench.evaluation.generation import save_array
from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.metrics.intervals import UndefinedStatisticError, t_interval
from zigbench.evaluation.noisy_digits import NoisyDigits
from zigbench.evaluation.protocol import write_protocols
from zigbench.evaluation.references import reference_images
from zigbench.interpolant import Interpolant
from zigbench.records.record import Measurement
from zigbench.spec import RunSpec, registry
from zigbench.spec.registry import load_object

PREVIEW = "samples.npy"


def prepare(data: Any, spec: RunSpec, *, cache: Path, weights: Mapping[str, Path] | None = None) -> None:
    """Load, download or train what a spec's samples and metrics need: classifiers, the decoder of latents, references.

    It is called before a training, so that a training never ends in a failed download. Arguments as :func:`evaluate`.

    Raises:
        MissingWeightsError: weights are not on this machine and cannot be downloaded.
        ValueError: the autoencoder of latents or the reference images are missing or differ from the expected ones.
    """
    given = weights or {}
    metrics = [registry.metrics.get(name) for name in spec.evaluation.metrics]
    extractors = sorted({name for metric in metrics for name in metric.extractors})
    if metrics and getattr(data, "decode", None) and (spec.evaluation.preview or any(m.reads_samples for m in metrics)):
        _ = data.decoder  # Latents know their decoder's name once it is loaded.
    if any(metric.captions for metric in metrics):
        load_text_encoder(cache, captions_of(data).tokenizer, given.get("clip"))
    if any(m.extractors and not m.captions for m in metrics) and not spec.evaluation.reference.endswith(".npz"):
        reference_images(data, spec.evaluation.reference, spec.evaluation.reference_count)
    if spec.sampler.classifier_scale:
        NoisyDigits(data, Interpolant(**spec.interpolant.model_dump(exclude_none=True)).path, cache)
    for name in extractors:
        load_extractor(name, cache, data=data, weights=given.get(name))


def evaluate(
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
) -> tuple[Measurement, ...]:
    """Measure the metrics in ``spec.evaluation.metrics``, with one set of samples for all of them.

    For example, for given weights::

        measurements = evaluate(network, Interpolant(), data, spec, folder=Path("run"), cache=Path("cache"))

    It writes into ``folder``: ``samples/`` (shards of uint8 with an index), ``samples.npy`` (the first
    ``evaluation.preview`` samples, uint8 (N, C, H, W)) and ``protocols.json`` (the conditions of each figure, by
    hash). Sample i comes from the same noise in every run of equal seed.

    In a process group every process calls it: each draws its share of the samples, and rank 0 alone computes and
    writes the figures. The samples are the same for any number of processes.

    Args:
        model: the network with its averaged weights, on ``device``; its mode is restored.
        interpolant: path, and meaning of the network's output.
        data: the data set's loader, with splits "train" and "held-out".
        spec: the run's spec.
        folder: the run's folder.
        cache: the folder that runs share, for weights of extractors and statistics of references.
        device: the device to compute on.
        on_progress: called with the pieces of work done and their total.
        weights: files of weights to use in place of the published ones, by the extractor's name.

    Returns:
        The measurements; none on ranks above 0.

    Raises:
        ValueError: a metric is impossible on these data, weights are missing, or a sample is not finite.
        OSError: the folder or the cache is not writable.
    """
    if not spec.evaluation.metrics:
        return ()
    context = EvaluationContext(
        model,
        interpolant,
        data,
        spec,
        folder=folder,
        cache=cache,
        device=device,
        on_progress=on_progress,
        weights=weights,
    )
    with _evaluating(model):
        measurements = measure_metrics(context)
        if process()[0] > 0:
            return ()
        if spec.evaluation.preview and context.sample_count:
            samples = context.samples()
            save_array(folder / PREVIEW, samples.images(0, min(spec.evaluation.preview, len(samples))).numpy())
        write_protocols(folder, context.protocols.values())
    return measurements


def measure_metrics(context: EvaluationContext) -> tuple[Measurement, ...]:
    """Return the measurements of all of a run's metrics, as :func:`measure_each`; none on ranks above 0."""
    sets: list[tuple[Measurement, ...]] = []
    for number in reversed(range(context.sample_sets)):  # The first set comes last, and stays selected.
        if context.sample_sets > 1:
            context.select_sample_set(number)
        if process()[0] > 0:
            if context.sample_count:
                context.samples()
        else:
            metrics = [metric for metric in context.metrics if number == 0 or metric.reads_samples]
            sets.insert(0, measure_each(context, metrics))
    if process()[0] > 0:
        return ()
    for folder in context.folder.glob(f"{SAMPLES}-set-*"):
        shutil.rmtree(folder)
    return sets[0] if len(sets) == 1 else mean_over_sets(sets)


def mean_over_sets(sets: Sequence[tuple[Measurement, ...]]) -> tuple[Measurement, ...]:
    """Return the measurements of several sets of samples of one network, each the mean over the sets.

    ``samples`` are the figures of the sets, and the interval is the 95 % t-interval of their mean. A figure that one
    of the sets does not have, and one that is of no samples, is that of the first set.

    Args:
        sets: the measurements of each set; the first one has all names.
    """
    others = [{measurement.name: measurement.value for measurement in measured} for measured in sets[1:]]
    joined = []
    for first in sets[0]:
        values = [first.value, *(other.get(first.name) for other in others)]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            joined.append(first)
            continue
        mean, half = t_interval(known)
        changes = {"value": mean, "samples": tuple(known), "interval": (mean - half, mean + half)}
        joined.append(first.model_copy(update=changes))
    return tuple(joined)


def measure_each(context: FeatureContext, metrics: Sequence[Metric] | None = None) -> tuple[Measurement, ...]:
    """Return the measurements of metrics, by default of all of the context's, each name once.

    One that is not defined on these samples, such as a covariance of one, has no value and says why.
    """
    measurements: dict[str, Measurement] = {}
    for metric in context.metrics if metrics is None else metrics:
        try:
            measured = load_object(metric.compute)(context, metric)
        except UndefinedStatisticError as reason:
            measured = (
                Measurement(name=metric.name, value=None, higher_is_better=metric.higher_is_better, note=str(reason)),
            )
        for measurement in measured:
            measurements.setdefault(measurement.name, measurement)
    return tuple(measurements.values())


@contextlib.contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Switch the network to evaluation mode for the block, and back to its former mode after it."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
