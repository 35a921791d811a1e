"""A run's folder: its files, the state that they imply, and the lock of the process at work on it.

State is read off the files: no folder = missing; ``spec.json`` = submitted; ``record.json`` = finished. A run is
running while a process holds its lock (see :mod:`zigbench.records.lock`). ``job.json`` names the job that was
submitted for it; :mod:`zigbench.launch` knows whether that job still waits in a queue.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from zigbench.records.lock import STALE_AFTER, BusyError, HeldLock, RunLock
from zigbench.records.record import DamagedRecordError, Record
from zigbench.spec import RunSpec, spec_id
from zigbench.spec.files import write_atomically

__all__ = ["STALE_AFTER", "BusyError", "RunFiles", "RunFolder", "State"]

State = Literal[
    "missing", "submitted", "pending", "foreign", "running", "ok", "failed", "oom", "diverged", "timeout", "damaged",
    "newer",
]  # fmt: skip
"""State of a run. "submitted": begun, and no process works on it; "pending": its job waits in a queue; "foreign":
its job is another user's or of another cluster, whose queue cannot be read from here; "damaged": its record, or the
spec of a run without one, was cut or edited; "newer": a later version of zigbench wrote its record."""


FILES = ("record.json", "spec.json", "protocols.json", "log.jsonl", "telemetry.jsonl", "samples.npy")
"""Files that are read of a finished run, beside the ``<inspection>.npz`` that ``zigbench inspect`` writes."""


def samples_file(step: int) -> str:
    """Return the name of the file of the samples that were drawn after ``step`` steps, before the training's end."""
    return f"samples-{step}.npy"


class RunFiles(Protocol):
    """The files of one finished run, wherever they lie: in a folder of its own, or in a pack."""

    @property
    def id(self) -> str:
        """Id of the run."""

    @property
    def path(self) -> Path:
        """The path in messages to a user: the run's folder, or its place in the pack."""

    def names(self) -> tuple[str, ...]:
        """Return the names of the files that there are, of :data:`FILES` and of inspections."""

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None where there is no readable one."""

    def recorded(self) -> date | None:
        """Return the day of the record, UTC; None where that is not known."""


def spec_text(resolved: Mapping[str, Any]) -> str:
    """Return the content of ``spec.json``."""
    return json.dumps(resolved, indent=1, sort_keys=True) + "\n"


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run, ``<root>/<id>``."""

    path: Path

    @classmethod
    def of(cls, spec: RunSpec, root: Path) -> RunFolder:
        """Return the folder of ``spec`` under ``root``, which need not exist."""
        return cls(root / spec.id)

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def record(self) -> Path:
        return self.path / "record.json"

    @property
    def log(self) -> Path:
        """Lines of JSON, one per logged step: step, loss, learning rate, gradient norm."""
        return self.path / "log.jsonl"

    @property
    def progress(self) -> Path:
        """The run's present phase and step, for `zigbench status`; overwritten, disposable."""
        return self.path / "progress.json"

    @property
    def output(self) -> Path:
        """The text that the run's process printed."""
        return self.path / "output.txt"

    @property
    def job(self) -> Path:
        """The job that was submitted for the run; there while it may be queued or running."""
        return self.path / "job.json"

    @property
    def job_ends(self) -> Path:
        """Lines of JSON, one per job that ended without a record: when, how, at which checkpoint."""
        return self.path / "deaths.jsonl"

    def names(self) -> tuple[str, ...]:
        """Return the names of the files of a finished run that there are."""
        inspections = sorted(path.name for path in self.path.glob("*.npz"))
        return (*(name for name in FILES if (self.path / name).is_file()), *inspections)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None where there is no readable one."""
        try:
            return (self.path / name).read_bytes()
        except OSError:
            return None

    def recorded(self) -> date | None:
        """Return the day on which the record was written, UTC; None where there is no record."""
        try:
            return datetime.fromtimestamp(self.record.stat().st_mtime, UTC).date()
        except OSError:
            return None

    def submit(self, spec: RunSpec) -> None:
        """Make the folder and write the spec into it.

        Raises:
            OSError: the results folder can't be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self.check_spec()
        except (FileNotFoundError, ValueError):
            # If the machine fails and loses it, or it was edited, the suite writes it again.
            write_atomically(self.spec, spec_text(spec.resolved()).encode(), durable=False)

    def forget(self) -> None:
        """Remove the record of a run that will be retried; it resumes from its checkpoint."""
        for path in (self.job, self.job_ends, self.record):
            path.unlink(missing_ok=True)

    def checkpoint(self) -> int:
        """Return the step of the newest checkpoint; 0 where there is none."""
        return max((int(p.name) for p in self.path.glob("checkpoints/*") if p.name.isdigit()), default=0)

    def read_spec(self) -> RunSpec:
        """Return the spec that was submitted.

        Raises:
            ValueError: the file is damaged, or its spec is not the one that the folder is named after.
        """
        return RunSpec.parse(self.check_spec())

    def check_spec(self) -> dict[str, Any]:
        """Return the JSON values of the spec that was submitted, unparsed.

        Raises:
            ValueError: as :meth:`read_spec`.
            FileNotFoundError: the run was not submitted.
        """
        repair = "`zigbench run` or `zigbench launch` of its suite writes it again"
        try:
            body = json.loads(self.spec.read_text(encoding="utf-8"))
            identity = spec_id(body)
        except (ValueError, RecursionError, AttributeError, TypeError) as error:
            raise ValueError(f"{self.spec}: damaged ({error}); {repair}") from None
        if identity != self.id:
            raise ValueError(f"{self.spec}: it is not the spec of run {self.id}: it was edited; {repair}")
        return cast(dict[str, Any], body)

    def state(self) -> State:
        """Return the state that the files imply."""
        if self.record.exists():
            try:
                return Record.read(self.record).status
            except DamagedRecordError as error:
                return error.state
        if not self.spec.exists():
            return "missing"
        if self.holder():
            return "running"
        try:
            self.check_spec()
        except ValueError:
            return "damaged"
        return "submitted"

    def shown(self, state: State) -> str:
        """Return a state of this run in the word that a user reads.

        A run that is "submitted" and has no job is done by nobody: it was interrupted if it was begun, else it is
        missing.
        """
        if state != "submitted":
            return state
        begun = self.progress.exists() or self.output.exists() or self.checkpoint() > 0
        return "interrupted" if begun else "missing"

    def read_progress(self) -> dict[str, Any]:
        """Return the run's present phase and step; empty where it has written none."""
        return _read_object(self.progress)

    def read_job(self) -> dict[str, Any]:
        """Return the job that was submitted for the run (cluster, site, user, job, code); empty where there is none."""
        return _read_object(self.job)

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines that the run's process printed."""
        return tail(self.output, lines)

    def holder(self) -> dict[str, Any] | None:
        """Return the process that works on the run now (host, pid, job), or None."""
        return self._lock.holder()

    def lock(self) -> AbstractContextManager[HeldLock]:
        """Return a context that holds the run's lock and updates its heartbeat.

        Raises:
            BusyError: another process holds it.
        """
        return self._lock.hold()

    @property
    def _lock(self) -> RunLock:
        return RunLock(self.path, subject=f"run {self.id}")


def tail(path: Path, lines: int = 20) -> str:
    """Return the last lines of a text file; "" where there is none."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def unmet(needs: Sequence[str], root: Path) -> str:
    """Return why a run cannot begin now: a run that it needs is not done, or has no weights; "" if it can.

    Args:
        needs: ids of the runs that it needs.
        root: folder of runs.
    """
    for folder in (RunFolder(root / need) for need in needs):
        state = folder.state()
        if state != "ok":
            return f"needs run {folder.id}, which is {folder.shown(state)}"
        if problem := without_weights(folder):
            return problem
    return ""


def without_weights(folder: RunFolder) -> str:
    """Return that a finished run has no weights on this machine; "" if it has."""
    return "" if folder.checkpoint() else f"needs the weights of run {folder.id}, and {folder.path} has no checkpoint"


def is_run(root: Path, name: str) -> bool:
    """Return whether ``name`` is the id of a run under ``root``, or the beginning of one."""
    return bool(name) and set(name) <= set("0123456789abcdef") and any(root.glob(f"{name}*/spec.json"))


def find(root: Path, name: str) -> RunFolder:
    """Return the run under ``root`` with an id that begins with ``name``.

    Raises:
        ValueError: there is none, or more than one.
    """
    folders = sorted(path.parent for path in root.glob(f"{name}*/spec.json")) if is_run(root, name) else []
    if len(folders) != 1:
        count = f"{len(folders)} runs" if folders else "no run"
        raise ValueError(f"{count} under {root} with an id that begins with {name!r}; `zigbench plan SUITE` lists ids")
    return RunFolder(folders[0])


def _read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file that may be absent, or being replaced."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}
