"""Execute one run: the only place that dispatches on a spec's task."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from zigbench import efficiency, training
from zigbench.backbone import count_parameters, initialised
from zigbench.efficiency.limits import matmul
from zigbench.evaluation import measure as evaluation
from zigbench.evaluation.learning_curve import LearningCurve
from zigbench.interpolant import Interpolant
from zigbench.preemption import Preempted, allow, never
from zigbench.records.environment import environment
from zigbench.records.folder import RunFolder, unmet
from zigbench.records.lock import LostLockError
from zigbench.records.record import UNREADABLE_SAMPLES, Failure, Measurement, Record, Status
from zigbench.runs.extension import take_over
from zigbench.runs.weights import load_network, start_weights, teacher_of
from zigbench.spec import EfficiencyRun, EvaluationRun, RunSpec, TrainingRun
from zigbench.spec.errors import machine_fault
from zigbench.spec.files import full_disk
from zigbench.spec.registry import load_object
from zigbench.training.trainer import AUTOCAST, matrix_precision

NAMED = 20
"""Unreadable samples that a record names."""

FULL = 2**16
"""Bytes without room for which a disk counts as full, so that any failure is put down to it."""


class Progress:
    """The progress of a run in a file that others read, written a few times a second at most."""

    def __init__(self, path: Path, before_write: Callable[[], None] = allow, interval: float = 0.25) -> None:
        self.path = path
        self.before_write = before_write
        self.interval = interval
        self._last = 0.0
        self._phase = ("", 0, 0.0)

    def __call__(self, phase: str, done: int, total: int, *, size: int = 1, **figures: float) -> None:
        """Write that ``done`` of ``total`` parts of a phase are done.

        Args:
            phase: of the run ("training").
            done: parts so far.
            total: parts of the phase.
            size: images in a part.
            figures: further figures of this moment (the loss, the learning rate).
        """
        now = time.monotonic()
        if now - self._last < self.interval and done < total:
            return
        self._last = now
        name, first, begun = self._phase
        if name != phase:
            self._phase = (phase, done, now)
        elif done > first:
            # From the speed of this process: the parts that an earlier process did took no time here.
            pace = (done - first) / max(now - begun, 1e-9)
            figures["images_per_second"] = round(size * pace, 1)
            figures["left"] = round((total - done) / pace, 1)
        # Replaced atomically like a record, but without waiting for the disk, since its loss does no harm.
        self.before_write()
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"phase": phase, "done": done, "total": total, **figures}), encoding="utf-8")
        temporary.replace(self.path)


S = TypeVar("S", bound=RunSpec)


@dataclass(frozen=True)
class Work(Generic[S]):
    """A run with the device, cache and progress of the process that does it.

    Args:
        spec: of the run.
        folder: of the run.
        cache: folder that runs share.
        device: where to compute.
        progress: of the run; None on processes that assist.
        before_write: raises where this process may not write any more.
        stop_requested: returns whether the process was preempted.
        facts: additions of the task to the record's environment.
    """

    spec: S
    folder: RunFolder
    cache: Path
    device: torch.device
    progress: Progress | None
    stop_requested: Callable[[], bool]
    before_write: Callable[[], None] = allow
    facts: dict[str, Any] = field(default_factory=dict)

    def report_progress(self, phase: str, done: int, total: int, *, size: int = 1, **figures: float) -> None:
        """Write the progress; arguments as :meth:`Progress.__call__`."""
        if self.progress is not None:
            self.progress(phase, done, total, size=size, **figures)

    def report_evaluation(self, done: int, total: int) -> None:
        """Write the progress of the evaluation, which has no checkpoint and can stop after any part.

        Raises:
            Preempted: the process was preempted.
        """
        self.report_progress("evaluating", done, total)
        if self.stop_requested():
            raise Preempted


class BlockedError(ValueError):
    """A run cannot begin: it needs the weights of a run that is not done."""


def execute(
    folder: RunFolder,
    *,
    cache: Path,
    device: torch.device | str | None = None,
    stop_requested: Callable[[], bool] = never,
) -> Record:
    """Do a run by its spec, from its checkpoint if there is one, and write the record.

    A failure is recorded too; an interrupt, a preemption and a full disk leave no record. Processes that were started
    together (see :mod:`zigbench.training.parallel`) do the run together: the first of them locks it here, the others
    call :func:`assist`.

    Args:
        folder: of a submitted run.
        cache: folder for what runs share (classifiers, reference statistics).
        device: where to compute; None for the GPU where there is one.
        stop_requested: returns whether the process was preempted.

    Raises:
        BlockedError: a run whose weights it needs is not done, or has none here.
        BusyError: another process is working on the run.
        ValueError: the folder's spec is damaged.
        LostLockError: another process took the run over while this one was stopped; this one writes nothing more.
        OSError: the disk is full, read-only, out of reach or another user's; the run resumes later.
        Preempted: the process was preempted; the run resumes from its checkpoint when it is executed again.
    """
    spec = folder.read_spec()
    if problem := unmet(spec.needs, folder.path.parent):
        raise BlockedError(f"run {folder.id} {problem}")
    device = torch.device(device or _where(spec))
    with folder.lock() as held:
        if folder.record.exists():
            return Record.read(folder.record)
        measurements: tuple[Measurement, ...] = ()
        status: Status = "ok"
        failure = None
        facts: dict[str, Any] = {}
        try:
            with training.process_group(device) as (_, device):
                progress = Progress(folder.progress, held.check)
                work = Work(spec, folder, cache, device, progress, stop_requested, held.check, facts)
                measurements = TASKS[spec.task](work)
        except (torch.OutOfMemoryError, MemoryError) as error:
            status, failure = "oom", _failure(error, folder)
            measurements = getattr(error, "measurements", ())
        except training.DivergedError as error:
            status, failure = "diverged", _failure(error, folder)
        except LostLockError:
            raise
        except Exception as error:  # Any other failure is recorded with its traceback.
            fault = machine_fault(error) or full_disk(folder.path, FULL)
            if fault is error:
                raise
            if fault is not None:
                raise fault from error
            status, failure = "failed", _failure(error, folder)
        record = Record(
            id=folder.id,
            status=status,
            spec=spec.resolved(),
            measurements=measurements,
            environment=environment(**_device(spec, device), **_kernels(spec, device), **_submitted(folder), **facts),
            error=failure,
        )
        held.check()
        try:
            record.write(folder.record)
        except FileExistsError:
            raise LostLockError(f"run {folder.id} was recorded by another process meanwhile") from None
        folder.progress.unlink(missing_ok=True)
        return record


def assist(
    folder: RunFolder,
    *,
    cache: Path,
    device: torch.device | str | None = None,
    stop_requested: Callable[[], bool] = never,
) -> None:
    """Take part in a run that the first of the processes locks and records; arguments as :func:`execute`."""
    spec = folder.read_spec()
    device = torch.device(device or _where(spec))
    with training.process_group(device) as (_, device):
        TASKS[spec.task](Work(spec, folder, cache, device, None, stop_requested))


def train(work: Work[TrainingRun]) -> tuple[Measurement, ...]:
    """Train a network, then measure it."""
    spec, folder, cache, device = work.spec, work.folder, work.cache, work.device
    data = load_object(spec.data.config.loader)(spec.data.config)
    evaluation.prepare(data, spec, cache=cache)  # Missing weights of extractors fail here, before the training.
    model = initialised(spec)
    if spec.training.start is not None:
        start_weights(model, spec.training.start, cache.parent, folder.path.parent)
    model = model.to(device)
    teacher = teacher_of(spec, cache.parent, folder.path.parent)
    teacher = None if teacher is None else teacher.to(device)
    interpolant = Interpolant(**spec.interpolant.model_dump(exclude_none=True))
    if spec.extended is not None:
        if work.progress is not None:
            take_over(spec, folder, RunFolder(folder.path.parent / spec.extended))
        training.current_world().gather(None)  # Processes that assist wait for the checkpoint.
    curve = LearningCurve(interpolant, data, spec, folder.path, cache, device, on_progress=work.report_evaluation)
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
        on_step=lambda step, loss, rate: work.report_progress(
            "training", step, spec.training.steps, size=spec.training.batch, loss=loss, rate=rate
        ),
        stop_requested=work.stop_requested,
        peak_images_per_second=_ceiling(spec, device),
        measure_at=curve.steps,
        measure=curve.measure,
        before_write=work.before_write,
        objective=load_object(spec.objective_config.implementation)(spec.objective_config, interpolant, teacher),
    )
    facts = (
        *_left_out(work, data),
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
        on_progress=work.report_evaluation,
    )
    # The figures of the finished network come last: they count as the run's.
    return facts + curve.measurements() + finished


def evaluate(work: Work[EvaluationRun]) -> tuple[Measurement, ...]:
    """Measure given weights.

    Raises:
        ValueError: the spec names no metric.
    """
    spec, folder, cache, device = work.spec, work.folder, work.cache, work.device
    if not spec.evaluation.metrics:
        raise ValueError("evaluation.metrics is empty, so there is nothing to measure; `zigbench list metrics`")
    data = load_object(spec.data.config.loader)(spec.data.config)
    evaluation.prepare(data, spec, cache=cache)
    model = load_network(spec, cache.parent, folder.path.parent).to(device)
    return (
        *_left_out(work, data),
        Measurement(name="parameters", value=count_parameters(model)),
        *evaluation.evaluate(
            model,
            Interpolant(**spec.interpolant.model_dump(exclude_none=True)),
            data,
            spec,
            folder=folder.path,
            cache=cache,
            device=device,
            on_progress=work.report_evaluation,
        ),
    )


def _left_out(work: Work[Any], data: Any) -> tuple[Measurement, ...]:
    """Return the number of samples that could not be read, with their names, and log each; none where all were read."""
    messages: list[str] = getattr(data, "unreadable", [])
    if not messages:
        return ()
    if work.progress is not None:  # Processes that assist read the same data.
        sys.stderr.writelines(f"unreadable, left out: {message}\n" for message in messages)
    total = len(messages) + sum(len(data.split(name)) for name in ("train", "held-out"))
    more = f"; and {len(messages) - NAMED} more, in the run's output.txt" if len(messages) > NAMED else ""
    note = f"{len(messages):,} of {total:,} samples could not be read and are left out: {'; '.join(messages[:NAMED])}"
    return (Measurement(name=UNREADABLE_SAMPLES, value=len(messages), higher_is_better=False, note=note + more),)


def time_and_memory(work: Work[EfficiencyRun]) -> tuple[Measurement, ...]:
    """Measure the time and memory of a network on the device, as it is initialised."""
    return efficiency.measure(work.spec, work.device, facts=work.facts, on_progress=work.report_progress)


TASKS: Mapping[str, Callable[[Work[Any]], tuple[Measurement, ...]]] = {
    "train": train,
    "evaluate": evaluate,
    "efficiency": time_and_memory,
}


def _ceiling(spec: RunSpec, device: torch.device) -> float | None:
    """Return the images a second of a training that consists of matrix products alone; None where it is unknown.

    The backward pass takes twice the operations of the forward pass.
    """
    cost = spec.cost(spec.geometry)
    return None if cost is None else _matrix_rate(device, spec.training.precision) / (3 * cost.flops)


@lru_cache(maxsize=8)
def _matrix_rate(device: torch.device, precision: str) -> float:
    """Measure the operations a second of matrix products in a training's precision, once a process."""
    dtype = AUTOCAST.get(precision, torch.float32)
    with matrix_precision(precision):
        rate = matmul(device, dtype)
    if device.type == "cuda":  # Its memory does not belong to the training.
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    return rate


def _failure(error: BaseException, folder: RunFolder) -> Failure:
    # Paths relative to the code: on other machines the path of this checkout has no meaning.
    text = "".join(traceback.format_exception(error)).replace(f"{Path(__file__).parents[2]}{os.sep}", "")
    return Failure(kind=type(error).__name__, message=str(error), traceback=text, log_tail=folder.log_tail())


def _submitted(folder: RunFolder) -> dict[str, Any]:
    """Return the code that the run was submitted with, where it differs from the code that does it."""
    submitted = folder.read_job().get("code")
    return {"submitted_code": submitted} if submitted and submitted != environment()["code"] else {}


def _where(spec: RunSpec) -> str:
    """Return the kind of device to compute on: the GPU where there is one, unless the run is for a CPU."""
    for_cpu = isinstance(spec, EfficiencyRun) and spec.efficiency.device == "cpu"
    return "cuda" if torch.cuda.is_available() and not for_cpu else "cpu"


def _device(spec: RunSpec, device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        # On another instruction set the last bits differ, and the speed.
        network = load_object(spec.config.network)
        own = network.instruction_set(spec.config) if hasattr(network, "instruction_set") else ""
        instructions = {"torch": torch.backends.cpu.get_cpu_capability(), **({"kernels": own} if own else {})}
        return {"device": device.type, "threads": torch.get_num_threads(), "instructions": instructions}
    properties = torch.cuda.get_device_properties(device)
    return {"device": properties.name, "device_memory": properties.total_memory, "cuda": torch.version.cuda}


def _kernels(spec: RunSpec, device: torch.device) -> dict[str, str]:
    """Return the kernels that the backbone computes with, where its plug-in names them."""
    network = load_object(spec.config.network)
    return {"kernel": network.kernels(spec.config, device)} if hasattr(network, "kernels") else {}
