"""Execute one run: the only place that dispatches on a spec's task."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from zigbench import efficiency, evaluation, training
from zigbench.backbone import count_parameters, initialised
from zigbench.efficiency.limits import matmul
from zigbench.evaluation.learning_curve import LearningCurve
from zigbench.interpolant import Interpolant
from zigbench.preemption import Preempted, never
from zigbench.records.folder import RunFolder
from zigbench.records.record import Failure, Measurement, Record, Status, environment
from zigbench.runs.weights import load_network
from zigbench.spec import RunSpec
from zigbench.spec.registry import load_object
from zigbench.training.trainer import AUTOCAST, matrix_precision

FULL = 2**16
"""Bytes: a disk with less room than this is full, whatever name the failure went by that came of it."""


class Progress:
    """Tells whoever watches what a run is doing, a few times a second at most."""

    def __init__(self, path: Path, interval: float = 0.25) -> None:
        self.path = path
        self.interval = interval
        self._last = 0.0
        self._phase = ("", 0, 0.0)

    def __call__(self, phase: str, done: int, total: int, *, size: int = 1, **figures: float) -> None:
        """``done`` of ``total`` parts of ``phase`` are through, of ``size`` images each; ``figures`` stand beside."""
        now = time.monotonic()
        if now - self._last < self.interval and done < total:
            return
        self._last = now
        name, first, begun = self._phase
        if name != phase:
            self._phase = (phase, done, now)
        elif done > first:
            # By this process's own pace: what an earlier one did before it was killed took no time here.
            pace = (done - first) / max(now - begun, 1e-9)
            figures["images_per_second"] = round(size * pace, 1)
            figures["left"] = round((total - done) / pace, 1)
        # Written beside and moved, like a record, but without waiting for the disk: losing it costs nothing.
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"phase": phase, "done": done, "total": total, **figures}))
        temporary.replace(self.path)


@dataclass(frozen=True)
class Work:
    """One run as a process has it to do.

    Args:
        spec: what to do.
        folder: of the run.
        cache: folder for what runs share.
        device: where to compute.
        progress: told how far the run is; None on processes that assist.
        leave: says whether the process was asked to leave.
        facts: what the task adds to the record's environment.
    """

    spec: RunSpec
    folder: RunFolder
    cache: Path
    device: torch.device
    progress: Progress | None
    leave: Callable[[], bool]
    facts: dict[str, Any] = field(default_factory=dict)

    def tell(self, phase: str, done: int, total: int, *, size: int = 1, **figures: float) -> None:
        """Tell whoever watches."""
        if self.progress is not None:
            self.progress(phase, done, total, size=size, **figures)

    def measured(self, done: int, total: int) -> None:
        """So many pieces of the evaluation are done. It keeps no checkpoint of its own, so one can leave at any."""
        self.tell("evaluating", done, total)
        if self.leave():
            raise Preempted


def execute(
    folder: RunFolder,
    *,
    cache: Path,
    device: torch.device | str | None = None,
    leave: Callable[[], bool] = never,
) -> Record:
    """Do what the folder's spec says, resuming from its checkpoint where there is one, and write the record.

    A failure is a record too. What no record is written for is an interrupt, a request to leave, and a full disk.
    Processes that the launcher started together (see :mod:`zigbench.training.parallel`) do the run together;
    the first among them claims it here, the others call :func:`assist`.

    Args:
        folder: a submitted run's folder.
        cache: folder for what runs share (classifiers, reference statistics).
        device: where to compute; None takes the GPU where there is one.
        leave: says whether the process was asked to leave.

    Raises:
        BusyError: another process is working on the run.
        ValueError: the folder's spec is damaged.
        OSError: the record can't be written, or the disk is full.
        Left: on request; the run goes on from its checkpoint when it is executed again.
    """
    spec = folder.read_spec()
    device = torch.device(device or _where(spec))
    with folder.claim():
        if folder.record.exists():
            return Record.read(folder.record)
        measurements: tuple[Measurement, ...] = ()
        status: Status = "ok"
        failure = None
        facts: dict[str, Any] = {}
        try:
            with training.process_group(device) as (_, device):
                work = Work(spec, folder, cache, device, Progress(folder.progress), leave, facts)
                measurements = TASKS[spec.task](work)
        except (torch.OutOfMemoryError, MemoryError) as error:
            status, failure = "oom", _failure(error, folder)
            measurements = getattr(error, "measurements", ())
        except training.DivergedError as error:
            status, failure = "diverged", _failure(error, folder)
        except Exception as error:  # Every other failure is recorded with its traceback, whatever it was.
            if shutil.disk_usage(folder.path).free < FULL:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder.path)) from error
            status, failure = "failed", _failure(error, folder)
        record = Record(
            id=folder.id,
            status=status,
            spec=spec.resolved(),
            measurements=measurements,
            environment=environment(**_device(device), **_kernels(spec, device), **_submitted(folder), **facts),
            error=failure,
        )
        record.write(folder.record)
        folder.progress.unlink(missing_ok=True)
        return record


def assist(
    folder: RunFolder, *, cache: Path, device: torch.device | str | None = None, leave: Callable[[], bool] = never
) -> None:
    """Take part in a run that the first of the processes claims and records; arguments as :func:`execute`."""
    spec = folder.read_spec()
    device = torch.device(device or _where(spec))
    with training.process_group(device) as (_, device):
        TASKS[spec.task](Work(spec, folder, cache, device, None, leave))


def train(work: Work) -> tuple[Measurement, ...]:
    """Train a network, then measure it."""
    spec, folder, cache, device = work.spec, work.folder, work.cache, work.device
    data = load_object(spec.data.config.loader)(spec.data.config)
    evaluation.prepare(data, spec, cache=cache)  # Weights that can't be had are missed before the training.
    model = initialised(spec).to(device)
    interpolant = Interpolant(**spec.interpolant.model_dump(exclude_none=True))
    curve = LearningCurve(interpolant, data, spec, folder.path, cache, device, on_progress=work.measured)
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
        on_step=lambda step, loss, rate: work.tell(
            "training", step, spec.training.steps, size=spec.training.batch, loss=loss, rate=rate
        ),
        stop_requested=work.leave,
        peak_images_per_second=_ceiling(spec, device),
        measure_at=curve.steps,
        measure=curve.measure,
    )
    facts = (
        Measurement(name="parameters", value=count_parameters(model)),
        Measurement(name="images_seen", value=trained.images_seen),
        Measurement(name="training_loss", value=trained.loss, higher_is_better=False, step=trained.step),
    )
    finished = evaluation.evaluate(
        trained.model,
        interpolant,
        data,
        spec,
        folder=folder.path,
        cache=cache,
        device=device,
        on_progress=work.measured,
    )
    # The figures of the finished network come last: they are the run's own.
    return facts + curve.measurements() + finished


def evaluate(work: Work) -> tuple[Measurement, ...]:
    """Measure given weights."""
    spec, folder, cache, device = work.spec, work.folder, work.cache, work.device
    data = load_object(spec.data.config.loader)(spec.data.config)
    evaluation.prepare(data, spec, cache=cache)
    model = load_network(spec, cache.parent).to(device)
    return (
        Measurement(name="parameters", value=count_parameters(model)),
        *evaluation.evaluate(
            model,
            Interpolant(**spec.interpolant.model_dump(exclude_none=True)),
            data,
            spec,
            folder=folder.path,
            cache=cache,
            device=device,
            on_progress=work.measured,
        ),
    )


def time_and_memory(work: Work) -> tuple[Measurement, ...]:
    """Measure what a network costs on the device, as it is initialised."""
    return efficiency.measure(work.spec, work.device, facts=work.facts, on_progress=work.tell)


TASKS: Mapping[str, Callable[[Work], tuple[Measurement, ...]]] = {
    "train": train,
    "evaluate": evaluate,
    "efficiency": time_and_memory,
}


def _ceiling(spec: RunSpec, device: torch.device) -> float | None:
    """Images a second that the device would train on if it did nothing but matrix products; None if that is unknown.

    The backward pass takes twice the operations of the forward pass.
    """
    cost = spec.backbone.config.cost(spec.geometry)
    return None if cost is None else _matrix_rate(device, spec.training.precision) / (3 * cost.flops)


@lru_cache(maxsize=8)
def _matrix_rate(device: torch.device, precision: str) -> float:
    """Operations a second of the device's matrix products in a training's precision, measured once a process."""
    dtype = AUTOCAST.get(precision, torch.float32)
    with matrix_precision(precision):
        found = matmul(device, dtype)
    if device.type == "cuda":  # What it took is no part of the training's memory.
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    return found


def _failure(error: BaseException, folder: RunFolder) -> Failure:
    # Files by their place in the code, as the record is read elsewhere: a checkout's own place says nothing there.
    text = "".join(traceback.format_exception(error)).replace(f"{Path(__file__).parents[2]}{os.sep}", "")
    return Failure(kind=type(error).__name__, message=str(error), traceback=text, log_tail=folder.log_tail())


def _submitted(folder: RunFolder) -> dict[str, Any]:
    """The code that the run was submitted with, where it is not the code that did it."""
    submitted = folder.read_job().get("code")
    return {"submitted_code": submitted} if submitted and submitted != environment()["code"] else {}


def _where(spec: RunSpec) -> str:
    """The kind of device to compute on: the GPU where there is one, unless the run is for a CPU."""
    for_cpu = spec.efficiency is not None and spec.efficiency.device == "cpu"
    return "cuda" if torch.cuda.is_available() and not for_cpu else "cpu"


def _device(device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        return {"device": device.type, "threads": torch.get_num_threads()}
    properties = torch.cuda.get_device_properties(device)
    return {"device": properties.name, "device_memory": properties.total_memory, "cuda": torch.version.cuda}


def _kernels(spec: RunSpec, device: torch.device) -> dict[str, str]:
    """What the backbone's plug-in says of the kernels it computes with, where it says anything."""
    network = load_object(spec.backbone.config.network)
    return {"kernel": network.kernels(spec.backbone.config, device)} if hasattr(network, "kernels") else {}
