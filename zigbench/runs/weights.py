"""Weights for evaluations: stored once by content, imported from releases, or exported from trainings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from zigbench.backbone import Released, build_from
from zigbench.evaluation.measure import prepare
from zigbench.evaluation.metrics.catalogue import default_metrics
from zigbench.records.folder import RunFolder
from zigbench.records.imported import note_import
from zigbench.spec import EfficiencyRun, EvaluationRun, Geometry, RunSpec, read, registry
from zigbench.spec.files import sha256, write_atomically
from zigbench.spec.plugins import ObjectiveSpec
from zigbench.spec.registry import load_object
from zigbench.spec.run import TRAINED
from zigbench.training import post_hoc_ema
from zigbench.training.checkpoints import Checkpoint, CheckpointManager

CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints in a run's folder."""


def keep(weights: Mapping[str, Tensor], results: Path) -> str:
    """Store weights under ``results/weights`` and return their SHA-256; the same weights are stored once.

    Raises:
        ValueError: some are not finite; names them.
    """
    broken = [name for name, tensor in weights.items() if not bool(tensor.isfinite().all())]
    if broken:
        some = ", ".join(broken[:5]) + (", …" if len(broken) > 5 else "")
        raise ValueError(f"{len(broken)} of {len(weights)} weights hold NaN or infinite values: {some}")
    content = safetensors.torch.save({name: tensor.contiguous().clone() for name, tensor in weights.items()})
    digest = sha256(content)
    path = results / "weights" / f"{digest}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_atomically(path, content)
    return digest


def fetch(digest: str, results: Path) -> dict[str, Tensor]:
    """Load the weights with that SHA-256.

    Raises:
        ValueError: they are not there, or the file's content is another.
    """
    path = results / "weights" / f"{digest}.safetensors"
    if not path.exists():
        raise ValueError(f"the weights {path} are missing: import the release or evaluate the training again")
    content = path.read_bytes()
    if sha256(content) != digest:
        raise ValueError(f"{path} is damaged: its content has another SHA-256; delete it and import it again")
    return safetensors.torch.load(content)


def import_release(
    file: Path, release: str, data: Mapping[str, Any], patch: int, config: Mapping[str, Any], results: Path
) -> tuple[RunSpec, Released]:
    """Import a released file: store its weights, and return the run that evaluates them.

    Args:
        file: .pt, .pth or .safetensors, of which only tensors are read.
        release: a registered release ("dit", "zigma", …).
        data: the spec's ``data``: name and config of what the network was trained on.
        patch: side of its patches.
        config: keywords of :func:`zigbench.backbone.build` that the file does not contain ("size", "curve").
        results: folder that holds ``runs`` and ``weights``.

    Returns:
        the run that measures them, and the contents of the file.

    Raises:
        ValueError: an unknown release or data set, or a file that does not fit; the message names both sides.
    """
    plugin = registry.data.get(str(data["name"]))
    geometry: Geometry = read(plugin, data.get("config", {}), at="data.config").geometry(patch)
    released: Released = registry.releases.get(release)(file, geometry, **config)
    digest = keep(released.weights, results)
    note_import(results, file.name, digest)
    spec = RunSpec.parse(
        {
            "task": "evaluate",
            "weights": digest,
            "backbone": {
                "name": released.backbone,
                "patch": patch,
                "config": released.config.model_dump(mode="json", exclude_none=True),
            },
            "scan": released.scan and released.scan.model_dump(),
            "position": released.position,
            "interpolant": dict(released.interpolant),
            "data": dict(data),
        }
    )
    return spec, released


def evaluation_of(
    folder: RunFolder, results: Path, step: int | None = None, ema_std: float | None = None
) -> EvaluationRun:
    """Return the spec that evaluates a run's averaged weights anew.

    Args:
        folder: of the run.
        results: folder that holds ``runs`` and ``weights``.
        step: the step of a checkpoint that the run keeps; None for the end of a training, which must be finished.
        ema_std: relative width of the average, recombined from the run's snapshots; None for the run's own average.

    Raises:
        ValueError: the run is not there, failed or trained nothing, or its checkpoint is missing or damaged.
    """
    if not folder.spec.exists():
        raise ValueError(f"there is no run {folder.id} in {folder.path.parent}")
    spec = folder.read_spec()
    if isinstance(spec, EvaluationRun):
        if step is not None:
            raise ValueError(f"run {folder.id} measured given weights, which have no steps: leave out --step")
        return spec if ema_std is None else EvaluationRun.parse({**spec.resolved(), "ema_std": ema_std})
    if isinstance(spec, EfficiencyRun):
        raise ValueError(f"run {folder.id} timed an initialised network; it has no trained weights")
    if step is not None:
        steps = steps_with_checkpoint(folder)
        if step not in steps:
            have = ", ".join(map(str, steps)) or "none"
            raise ValueError(
                f"run {folder.id} has no checkpoint after step {step} (it has: {have}); training.keep_every keeps some"
            )
        average = Checkpoint.read(CheckpointManager(folder.path / CHECKPOINTS).path(step)).average
        return EvaluationRun.parse({**spec.resolved(), "task": "evaluate", "weights": keep(average, results)})
    if ema_std is not None:
        trained_weights(folder, ema_std)  # A width without snapshots fails here.
        return EvaluationRun.parse(
            {**spec.resolved(), "task": "evaluate", "weights": f"{TRAINED}{folder.id}", "ema_std": ema_std}
        )
    weights = keep(trained_weights(folder), results)
    return EvaluationRun.parse({**spec.resolved(), "task": "evaluate", "weights": weights})


def trained_weights(folder: RunFolder, ema_std: float | None = None) -> Mapping[str, Tensor]:
    """Return the averaged weights of a training that is finished.

    Args:
        folder: of the run.
        ema_std: relative width of the average, recombined from the run's snapshots; None for the run's own average.

    Raises:
        ValueError: the run is not there or did not end well, or its last checkpoint or its snapshots are missing.
    """
    if not folder.spec.exists():
        raise ValueError(f"there is no run {folder.id} in {folder.path.parent}, whose weights are to be measured")
    if (state := folder.state()) != "ok":
        raise ValueError(f"run {folder.id} is {state}: only the weights of a run with status ok can be used")
    steps = folder.read_spec().training.steps
    average = _average(folder, steps)
    return average if ema_std is None else {**average, **post_hoc_ema.recombine(folder.path, ema_std, steps)}


def steps_with_checkpoint(folder: RunFolder) -> tuple[int, ...]:
    """Return the steps of a run's checkpoints, ascending."""
    return tuple(sorted(CheckpointManager(folder.path / CHECKPOINTS).steps()))


def with_default_metrics(spec: RunSpec, cache: Path) -> tuple[RunSpec, str]:
    """Return an evaluation with every metric that its data can answer, where it names none; and the reason for fewer.

    Latents whose pictures or autoencoder are not on this machine have no metrics of samples.

    Args:
        spec: of the evaluation.
        cache: the folder that runs share.

    Raises:
        ValueError: the data are missing or damaged.
    """
    metrics = default_metrics(spec.geometry)
    complete = spec.override({"evaluation.metrics": list(metrics)})
    data = load_object(spec.data.config.loader)(spec.data.config)
    try:
        prepare(data, complete, cache=cache)
    except ValueError as reason:
        losses = [name for name in metrics if not registry.metrics.get(name).reads_samples]
        return spec.override({"evaluation.metrics": losses, "evaluation.preview": 0}), str(reason)
    return complete, ""


def refuse_missing(spec: RunSpec, cache: Path) -> None:
    """Raise ValueError where what an evaluation's metrics need is not on this machine, before anything is recorded.

    Args:
        spec: of the evaluation.
        cache: the folder that runs share.

    Raises:
        MissingWeightsError: weights of an extractor are missing.
        ValueError: the data, their autoencoder, or the reference images are.
    """
    prepare(load_object(spec.data.config.loader)(spec.data.config), spec, cache=cache)


def load_network(spec: EvaluationRun, results: Path, root: Path | None = None) -> nn.Module:
    """Load the network of an evaluation, in evaluation mode.

    Args:
        spec: of the evaluation.
        results: folder that holds ``runs`` and ``weights``.
        root: folder of runs, where it is not ``results/runs``.

    Raises:
        ValueError: the weights are missing, damaged, or of another network.
    """
    network = build_from(spec, spec.geometry, seed=0)
    if spec.trained is None:
        weights: Mapping[str, Tensor] = fetch(spec.weights, results)
    else:
        weights = trained_weights(RunFolder((root or results / "runs") / spec.trained), spec.ema_std)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"the weights {spec.weights[:20]}… do not fit {spec.backbone.name}: {error}") from None
    return network.eval()


def teacher_of(spec: RunSpec, results: Path, runs: Path) -> nn.Module | None:
    """Return the trained network that a run's objective follows, in evaluation mode; None where it follows none.

    Args:
        spec: of the run; the teacher has its backbone, and its path and prediction.
        results, runs: as of :func:`start_weights`.

    Raises:
        ValueError: the teacher is missing, damaged, of another network, or trained along another path.
    """
    if spec.objective is None or spec.objective.teacher is None:
        return None
    teacher = spec.objective.teacher
    network = build_from(spec, spec.geometry, seed=0)
    start_weights(network, teacher, results, runs, key="objective.teacher")
    run = teacher.removeprefix(TRAINED)
    if run != teacher:
        other, own = RunFolder(runs / run).read_spec(), spec.interpolant
        flow = other.interpolant
        if (flow.path, flow.prediction) != (own.path, own.prediction):
            raise ValueError(
                f"objective.teacher: run {run} predicts the {flow.prediction} along the path {flow.path}, and its "
                f"student the {own.prediction} along {own.path}; take the teacher's"
            )
        if other.objective_config.solver is not None:
            raise ValueError(f"objective.teacher: run {run} jumps to the end of its flow, which no student can follow")
    return network.eval().requires_grad_(False)


def start_weights(network: nn.Module, start: str, results: Path, runs: Path, *, key: str = "training.start") -> None:
    """Load the weights that a training begins with.

    Args:
        network: of the training, in place.
        start: ``run:ID`` of a finished run, whose averaged weights are taken; or the SHA-256 of stored weights.
        results: folder that holds ``weights``.
        runs: folder of runs.
        key: of the spec, for messages.

    Raises:
        ValueError: the weights are missing, damaged, or of another network.
    """
    run = start.removeprefix(TRAINED)
    weights = fetch(start, results) if run == start else trained_weights(RunFolder(runs / run))
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{key}: the weights {start[:20]}… are of another network: {error}") from None


def export_run(folder: RunFolder, target: str, place: Path, results: Path) -> None:
    """Write a run's averaged weights for use elsewhere.

    Args:
        folder: of the run.
        target: a release, whose names the weights get in one .safetensors file; or a registered export, which writes a
            folder.
        place: the file or the folder to write.
        results: folder that holds ``runs`` and ``weights``.

    Raises:
        ValueError: an unknown target, a run without weights, or a network that the target has no place for.
    """
    releases, exports = registry.releases.names(), registry.exports.names()
    if target not in (*releases, *exports):
        raise ValueError(f"unknown target {target!r} (known: {', '.join((*exports, *releases))})")
    spec = evaluation_of(folder, results)
    network = load_network(spec, results)
    if target in exports:
        registry.exports.get(target)(network, spec, place)  # It makes the folder, unless it refuses the network.
        return
    if spec.objective is not None and spec.objective.config.solver is not None:
        raise ValueError(
            f"{target} released flows, and a network of the objective {spec.objective.name!r} jumps to the end of one: "
            "export it as plain"
        )
    weights = registry.releases.get(target).export(network)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(place, safetensors.torch.save(weights))


@registry.exports.register("plain")
def write_plain(network: nn.Module, spec: EvaluationRun, folder: Path) -> None:
    """Write ``model.safetensors``, under this project's own names, and ``config.json``, the arguments of ``build``.

    For example, the network again::

        config = json.loads((folder / "config.json").read_text())
        network = build(config["backbone"], Geometry(**config["geometry"]), **config["keywords"])
        network.load_state_dict(load_file(folder / "model.safetensors"))

    ``interpolant`` and ``objective`` say what its output means, and ``sampler`` how the run drew its samples.

    Args:
        network: with the weights.
        spec: of the run.
        folder: to write into; made where it does not exist.
    """
    scan = {} if spec.scan is None else {"curve": spec.scan.curve, "schemes": spec.scan.schemes}
    position = {} if spec.position is None else {"position": spec.position}
    keywords = spec.backbone.config.model_dump(mode="json", exclude_none=True)
    facts = {
        "backbone": spec.backbone.name,
        "geometry": asdict(spec.geometry),
        "keywords": {**keywords, **scan, **position},
        "interpolant": spec.interpolant.model_dump(mode="json", exclude_none=True),
        "objective": (spec.objective or ObjectiveSpec()).model_dump(mode="json", include={"name", "config"}),
        "sampler": spec.sampler.model_dump(mode="json", exclude_none=True),
    }
    tensors = {name: tensor.contiguous().clone() for name, tensor in network.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "model.safetensors", safetensors.torch.save(tensors))
    write_atomically(folder / "config.json", (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode())


def _average(folder: RunFolder, steps: int) -> Mapping[str, Tensor]:
    checkpoint = CheckpointManager(folder.path / CHECKPOINTS).newest()
    if checkpoint is None or checkpoint.step != steps:
        sound = "no sound checkpoint" if checkpoint is None else f"no sound checkpoint after step {checkpoint.step}"
        raise ValueError(
            f"run {folder.id} has {sound}, and was trained for {steps} steps: delete {folder.record} and run it again"
        )
    return checkpoint.average
