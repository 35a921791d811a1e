"""The logs of a training: its log, its telemetry, and copies for TensorBoard and Weights & Biases."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from zigbench import host_memory
from zigbench.preemption import allow
from zigbench.records.folder import RunFolder
from zigbench.spec import TrainingSpec

log = logging.getLogger(__name__)

T = TypeVar("T")

LINES = 1_000
"""Lines of a log where the spec gives no interval."""

FLUSH_SECONDS = 1.0
"""Time that a line may wait in memory; writing each at once would cost a tenth of a small step."""

TELEMETRY_SECONDS = 5.0
"""Time between two lines of telemetry."""

WANDB_FINISH_SECONDS = 60.0
"""Time for Weights & Biases to finish its upload at a run's end; the rest stays in its folder."""


@dataclass
class Counters:
    """The counters of a training that a checkpoint holds.

    Attributes:
        steps: steps of the whole training.
        step: steps done.
        seconds: time spent so far, that of earlier processes included.
        interval: (sum, number) of the losses since the last line of the log.
        tail: the same over the last tenth of the steps.
    """

    steps: int
    step: int = 0
    seconds: float = 0.0
    interval: list[float] = field(default_factory=lambda: [0.0, 0])
    tail: list[float] = field(default_factory=lambda: [0.0, 0])

    def add(self, loss: float) -> None:
        """Count a step and its loss."""
        self.step += 1
        sums = [self.interval]
        if self.step > self.steps - max(1, self.steps // 10):
            sums.append(self.tail)
        for total in sums:
            total[0] += loss
            total[1] += 1

    def mean_loss(self) -> float:
        """Return the mean loss since the last call."""
        total, count = self.interval
        self.interval = [0.0, 0]
        return total / count

    @property
    def final_loss(self) -> float:
        """The mean loss over the last tenth of the steps."""
        return self.tail[0] / self.tail[1]

    def state_dict(self) -> dict[str, Any]:
        """Return the counters as plain values."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the values of :meth:`state_dict`; further names from an older version are ignored."""
        for name in asdict(self):
            setattr(self, name, state[name])


class JsonLines:
    """A file with one JSON object per line, to which lines are appended.

    Args:
        path: is created where it does not exist.
        length: bytes of the file to keep; the rest belongs to steps that are repeated.
        before_write: called before lines are written; it raises where this process may not write any more.

    Raises:
        ValueError: the file is shorter than that.
        OSError: it can't be written.
    """

    def __init__(self, path: Path, length: int = 0, before_write: Callable[[], None] = allow) -> None:
        self.path = path
        self._before_write = before_write
        self._file = open(path, "ab")  # noqa: SIM115 - open as long as the training
        self._waiting: list[dict[str, Any]] = []
        self._flushed = time.monotonic()
        size = os.fstat(self._file.fileno()).st_size
        if size < length:
            self._file.close()
            raise ValueError(
                f"{path}: {size} bytes, but the checkpoint was written at {length}: it was cut; "
                "delete the run's folder to start it anew"
            )
        self._file.truncate(length)
        self._length = length

    def write(self, line: dict[str, Any]) -> None:
        """Append one line; while lines follow each other, it reaches the file within a second.

        Raises:
            OSError: the disk is full.
        """
        self._waiting.append(line)
        now = time.monotonic()
        if now - self._flushed > FLUSH_SECONDS:
            self._flushed = now
            self._flush()

    def sync(self) -> int:
        """Make all lines so far durable and return their length in bytes."""
        self._flush()
        os.fsync(self._file.fileno())
        return self._length

    def close(self) -> None:
        """Write the lines that wait and close the file."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._waiting:
            self._before_write()
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            self._length += self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a log, also of one that is being written; empty where there is none.

    Raises:
        ValueError: a line is damaged.
    """
    if not path.exists():
        return []
    lines = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            lines.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"{path}: line {number} is damaged ({error})") from None
    return lines


class TrainingLog:
    """``log.jsonl``, a function of the run alone; ``telemetry.jsonl``, wall-clock figures; and the sinks.

    Args:
        folder: of the run.
        training: names the sinks and the interval of the log.
        lengths: bytes of both files to keep; the rest is removed.
        main: whether this process writes; the others write nothing.
        before_write: see :class:`JsonLines`.
    """

    def __init__(
        self,
        folder: Path,
        training: TrainingSpec,
        lengths: tuple[int, int],
        *,
        main: bool,
        before_write: Callable[[], None] = allow,
    ) -> None:
        self.path = folder / "log.jsonl"
        self.every = training.log_every or max(1, training.steps // LINES)
        self._main = main
        if not main:
            return
        self._log = JsonLines(self.path, lengths[0], before_write)
        self._telemetry = JsonLines(folder / "telemetry.jsonl", lengths[1], before_write)
        lines = read_lines(self.path)
        self._sinks = Sinks(training.sinks, folder, lines[-1]["step"] if lines else 0)

    def write(self, line: dict[str, Any]) -> None:
        """Append a line of figures, "step" among them, to the log and pass it to the sinks."""
        if self._main:
            self._log.write(line)
            figures = {name: value for name, value in line.items() if name != "step" and value is not None}
            self._sinks.write(line["step"], figures)

    def write_telemetry(self, line: dict[str, Any]) -> None:
        """Append a line to the telemetry."""
        if self._main:
            self._telemetry.write(line)

    def sync(self) -> tuple[int, int]:
        """Make both files durable and return their lengths in bytes, for a checkpoint."""
        return (self._log.sync(), self._telemetry.sync()) if self._main else (0, 0)

    def curve(self) -> tuple[tuple[int, float], ...]:
        """Return (steps done, mean loss) of each line of the log."""
        if not self._main:
            return ()
        self._log.sync()
        return tuple((line["step"], line["loss"]) for line in read_lines(self.path) if "loss" in line)

    def close(self) -> None:
        """Close the files and the sinks."""
        if self._main:
            self._log.close()
            self._telemetry.close()
            self._sinks.close()


class SpeedMeter:
    """The speed and memory of a training between one line of telemetry and the next.

    Args:
        batch: images a step, over all processes.
        tokens: tokens an image.
        device: device of which the memory is read.
        seconds: time that the training had taken when it was resumed.
        peak_images_per_second: images a second that all devices together would reach if they did nothing but matrix
            products; None where that is not known.
    """

    def __init__(
        self,
        batch: int,
        tokens: int,
        device: torch.device,
        seconds: float = 0.0,
        peak_images_per_second: float | None = None,
    ) -> None:
        self.batch = batch
        self.tokens = tokens
        self.device = device
        self.peak_images_per_second = peak_images_per_second
        self._before = seconds
        self._begun = self._last = time.perf_counter()
        self._steps = 0
        self._waited = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of training so far, those before a resumption included."""
        return self._before + time.perf_counter() - self._begun

    def wait_for(self, source: Iterator[T]) -> T | None:
        """Return the next item of ``source``, counting the time as waiting; None at its end."""
        begun = time.perf_counter()
        item = next(source, None)
        self._waited += time.perf_counter() - begun
        return item

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Exclude the time of the block from every figure."""
        begun = time.perf_counter()
        yield
        taken = time.perf_counter() - begun
        self._begun += taken
        self._last += taken

    def due(self) -> bool:
        """Count a step and return whether it is time for a line."""
        self._steps += 1
        return time.perf_counter() - self._last >= TELEMETRY_SECONDS

    def line(self, step: int) -> dict[str, Any]:
        """Return the figures since the line before; ``step`` is the number of steps done.

        images_per_second and tokens_per_second over all processes; matrix_peak_share, the share of the peak that was
        reached (operations that are done twice to save memory count once), where a peak is known; data_wait_share, the
        share of the time spent on getting the next batch; peak_memory_bytes of this process, on the device where it is
        a GPU.
        """
        now = time.perf_counter()
        span = max(now - self._last, 1e-9)
        images = self._steps * self.batch / span
        figures = {
            "step": step,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(images, 2),
            "tokens_per_second": round(images * self.tokens, 1),
            "data_wait_share": round(self._waited / span, 5),
            "peak_memory_bytes": peak_memory(self.device),
        }
        if self.peak_images_per_second is not None:
            figures["matrix_peak_share"] = round(images / self.peak_images_per_second, 5)
        self._last, self._steps, self._waited = now, 0, 0.0
        return figures


def peak_memory(device: torch.device) -> int:
    """Return the peak memory in bytes: of tensors on a GPU, of the process in the host's memory otherwise."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return host_memory.peak_resident_bytes()


class Sink(Protocol):
    """A receiver of the figures of logged steps."""

    def write(self, step: int, figures: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in ``folder/tensorboard``.

    Raises:
        ModuleNotFoundError: tensorboard is not installed.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # Events of later steps are purged: a killed process has written them, and this one writes them again.
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A run of Weights & Biases with the folder's name as its id and the spec as its config.

    With ``WANDB_MODE=offline`` nothing is sent; ``wandb sync`` sends it later. A resumed training adds to the same run;
    repeated steps have the same figures, which W&B stores once.

    Raises:
        ModuleNotFoundError: wandb is not installed.
        wandb.Error: there is no key, or the service cannot be reached (within ``WANDB_INIT_TIMEOUT`` seconds).
    """

    def __init__(self, folder: Path, step: int) -> None:
        import wandb

        spec = RunFolder(folder).spec
        self._run = wandb.init(
            project="zigbench",
            id=folder.name,
            dir=str(folder),
            config=json.loads(spec.read_text(encoding="utf-8")) if spec.exists() else {},
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(console="off", finish_timeout=WANDB_FINISH_SECONDS, finish_timeout_raises=True),
        )

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        self._run.log(dict(figures), step=step, commit=True)

    def close(self) -> None:
        self._run.finish()


SINKS: dict[str, Callable[[Path, int], Sink]] = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}
"""Sinks by their names in a spec, each made from the run's folder and the step it resumes from."""


class Sinks:
    """Several sinks as one that never fails, since a fault of a sink must not stop the training.

    A sink that raises is reported once, with its error, and dropped.
    """

    def __init__(self, names: Iterable[str], folder: Path, step: int) -> None:
        self._open: dict[str, Sink] = {}
        for name in names:
            self._guarded(name, self._start, name, folder, step)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Pass the figures of a step to each sink."""
        for name, sink in list(self._open.items()):
            self._guarded(name, sink.write, step, figures)

    def close(self) -> None:
        """Close each sink."""
        for name, sink in list(self._open.items()):
            self._guarded(name, sink.close)
        self._open.clear()

    def _start(self, name: str, folder: Path, step: int) -> None:
        self._open[name] = SINKS[name](folder, step)

    def _guarded(self, name: str, act: Callable[..., None], *arguments: Any) -> None:
        try:
            act(*arguments)
        except Exception as error:  # Any failure of a plug-in is reported here, and the sink is dropped.
            self._open.pop(name, None)
            hint = "; pip install 'zigbench[track]'" if isinstance(error, ModuleNotFoundError) else ""
            log.warning(
                "the sink %s failed and is not used any more (%s: %s)%s", name, type(error).__name__, error, hint
            )
