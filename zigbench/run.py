"""Execute one run: the only place that dispatches on a spec's task."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from zigbench import evaluation, training
from zigbench.backbone import build_from, count_parameters
from zigbench.folder import RunFolder
from zigbench.interpolant import Interpolant
from zigbench.record import Failure, Measurement, Record, Status, environment
from zigbench.registry import load_object
from zigbench.rng import derive_seed
from zigbench.spec import RunSpec

Task = Callable[[RunSpec, RunFolder, Path, torch.device, "Progress"], tuple[Measurement, ...]]


class Progress:
    """Tells whoever watches what a run is doing, a few times a second at most."""

    def __init__(self, path: Path, interval: float = 0.25) -> None:
        self.path = path
        self.interval = interval
        self._last = 0.0

    def __call__(self, phase: str, done: int, total: int, **figures: float) -> None:
        """``done`` of ``total`` parts of ``phase`` are through; ``figures`` are shown beside (loss)."""
        now = time.monotonic()
        if now - self._last < self.interval and done < total:
            return
        self._last = now
        # Written beside and moved, like a record, but without waiting for the disk: losing it costs nothing.
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"phase": phase, "done": done, "total": total, **figures}))
        temporary.replace(self.path)


def execute(folder: RunFolder, *, cache: Path, device: torch.device | str | None = None) -> Record:
    """Do what the folder's spec says, resuming from its checkpoint where there is one, and write the record.

    A failure is a record too. What no record is written for is an interrupt, and a disk that takes none.

    Args:
        folder: a submitted run's folder.
        cache: folder for what runs share (classifiers, reference statistics).
        device: where to compute; None takes the GPU where there is one.

    Raises:
        BusyError: another process is working on the run.
        ValueError: the folder's spec is damaged.
        OSError: the record can't be written.
    """
    spec = folder.read_spec()
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    with folder.claim():
        if folder.record.exists():
            return Record.read(folder.record)
        measurements: tuple[Measurement, ...] = ()
        status: Status = "ok"
        failure = None
        try:
            measurements = TASKS[spec.task](spec, folder, cache, device, Progress(folder.progress))
        except (torch.OutOfMemoryError, MemoryError) as error:
            status, failure = "oom", _failure(error, folder)
        except training.DivergedError as error:
            status, failure = "diverged", _failure(error, folder)
        except Exception as error:  # Every other failure is recorded with its traceback, whatever it was.
            status, failure = "failed", _failure(error, folder)
        record = Record(
            id=folder.id,
            status=status,
            spec=spec.resolved(),
            measurements=measurements,
            environment=environment(**_device(device), **_kernels(spec, device)),
            error=failure,
        )
        record.write(folder.record)
        folder.progress.unlink(missing_ok=True)
        return record


def train(
    spec: RunSpec, folder: RunFolder, cache: Path, device: torch.device, progress: Progress
) -> tuple[Measurement, ...]:
    """Train a network, then measure it."""
    data = load_object(spec.data.config.loader)(spec.data.config)
    evaluation.prepare(data, spec, cache=cache)  # Weights that can't be had are missed before the training.
    model = build_from(spec.backbone.config, spec.geometry, seed=derive_seed(spec.seed, "initialisation")).to(device)
    interpolant = Interpolant(**spec.interpolant.model_dump(exclude_none=True))
    trained = training.fit(
        model,
        interpolant,
        data.split("train"),
        optimizer=spec.optimizer,
        training=spec.training,
        seed=spec.seed,
        folder=folder.path,
        device=device,
        label_dropout=spec.backbone.config.label_dropout,
        on_step=lambda step, loss: progress("training", step, spec.training.steps, loss=loss),
    )
    facts = (
        Measurement(name="parameters", value=count_parameters(model)),
        Measurement(name="images_seen", value=trained.images_seen),
        Measurement(name="training_loss", value=trained.loss, higher_is_better=False, step=trained.step),
    )
    return facts + evaluation.evaluate(
        trained.model,
        interpolant,
        data,
        spec,
        folder=folder.path,
        cache=cache,
        device=device,
        on_progress=lambda done, total: progress("evaluating", done, total),
    )


TASKS: Mapping[str, Task] = {"train": train}


def _failure(error: BaseException, folder: RunFolder) -> Failure:
    tail = ""
    if folder.output.exists():
        tail = "\n".join(folder.output.read_text(errors="replace").splitlines()[-20:])
    lines = traceback.format_exception(error)
    return Failure(kind=type(error).__name__, message=str(error), traceback="".join(lines), log_tail=tail)


def _device(device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        return {"device": device.type, "threads": torch.get_num_threads()}
    properties = torch.cuda.get_device_properties(device)
    return {"device": properties.name, "device_memory": properties.total_memory, "cuda": torch.version.cuda}


def _kernels(spec: RunSpec, device: torch.device) -> dict[str, str]:
    """What the backbone's plug-in says of the kernels it computes with, where it says anything."""
    network = load_object(spec.backbone.config.network)
    return {"kernel": network.kernels(spec.backbone.config, device)} if hasattr(network, "kernels") else {}
