"""Where the log goes beside its own file: TensorBoard, Weights & Biases, or anything that can take figures."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from zigbench.records.folder import RunFolder

log = logging.getLogger(__name__)

LAST_WAIT = 60.0
"""Seconds that Weights & Biases gets at a run's end to upload what it still holds; the rest stays in its folder."""


class Sink(Protocol):
    """Takes the figures of logged steps."""

    def write(self, step: int, figures: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in ``folder/tensorboard``.

    Raises:
        ModuleNotFoundError: tensorboard is not installed.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._folder = folder / "tensorboard"
        self._begin(step + 1)

    def _begin(self, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # What is there of these steps is purged: it was done before a rewind, or by a process since killed.
        self._writer = SummaryWriter(str(self._folder), purge_step=step)
        self._next = step

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        if step < self._next:
            self._writer.close()
            self._begin(step)
        self._next = step + 1
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A run with the folder's name as its id and the spec as its config.

    With ``WANDB_MODE=offline`` nothing leaves the machine; ``wandb sync`` sends what was kept, all lives to one run.

    A life after the first adds to the same run. Its steps that are done again bring the figures that W&B has already,
    which it keeps once. After a rewind they bring others: these follow those before, for W&B takes back nothing, and
    are drawn where they belong, over the metric ``step``.

    Raises:
        ModuleNotFoundError: wandb is not installed.
        wandb.Error: there is no key, or the service can't be reached (within ``WANDB_INIT_TIMEOUT`` seconds).
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
            settings=wandb.Settings(console="off", finish_timeout=LAST_WAIT, finish_timeout_raises=True),
        )
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")
        self._row = step

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        self._row = max(step, self._row + 1)
        self._run.log({"step": step, **figures}, step=self._row, commit=True)

    def close(self) -> None:
        self._run.finish()


SINKS: dict[str, Callable[[Path, int], Sink]] = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}
"""Sinks by the names a spec gives them, each made from the run's folder and the step it goes on from."""


class Sinks:
    """Several sinks as one that never fails: a watcher must not stop what it watches.

    A sink that raises is reported once, with its error, and used no more.
    """

    def __init__(self, names: Iterable[str], folder: Path, step: int) -> None:
        self._open: dict[str, Sink] = {}
        for name in names:
            self._guarded(name, self._start, name, folder, step)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        for name, sink in list(self._open.items()):
            self._guarded(name, sink.write, step, figures)

    def close(self) -> None:
        for name, sink in list(self._open.items()):
            self._guarded(name, sink.close)
        self._open.clear()

    def _start(self, name: str, folder: Path, step: int) -> None:
        self._open[name] = SINKS[name](folder, step)

    def _guarded(self, name: str, act: Callable[..., None], *arguments: Any) -> None:
        try:
            act(*arguments)
        except Exception as error:  # A plug-in's failure of any kind: reported here, and the sink is dropped.
            self._open.pop(name, None)
            hint = "; pip install 'zigbench[track]'" if isinstance(error, ModuleNotFoundError) else ""
            log.warning("the sink %s failed and is used no more (%s: %s)%s", name, type(error).__name__, error, hint)
