"""A run's folder: where its files lie, what state they say it is in, and who may work on it.

State is read off the files: no folder = missing; ``spec.json`` = submitted; ``record.json`` = finished. A run is
worked on by whoever holds its newest claim. Claims are numbered files, made by hard link so that exactly one of
any number of contenders on a shared file system makes claim n + 1; a claim whose holder no longer gives a sign of
life is overtaken by the next number, never deleted under somebody's feet.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zigbench.record import DamagedRecordError, Record, write_atomically
from zigbench.spec import RunSpec, canonical_json, spec_id

State = Literal["missing", "submitted", "running", "ok", "failed", "oom", "diverged", "timeout", "damaged"]

HEARTBEAT = 5.0
"""Seconds between two signs of life of a claim's holder."""

SILENCE = 60.0
"""Seconds without a sign of life after which a claim's job counts as gone."""


class BusyError(RuntimeError):
    """Somebody else is working on the run; the message says who."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run, ``<root>/<id>``."""

    path: Path

    @classmethod
    def of(cls, spec: RunSpec, root: Path) -> RunFolder:
        """The folder of ``spec`` under ``root``; makes nothing."""
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
        """A line of JSON per logged step: step, loss, learning rate, gradient norm."""
        return self.path / "log.jsonl"

    @property
    def progress(self) -> Path:
        """What the run is doing now, for whoever watches; overwritten, disposable."""
        return self.path / "progress.json"

    @property
    def output(self) -> Path:
        """What the run's process printed."""
        return self.path / "output.txt"

    def submit(self, spec: RunSpec) -> None:
        """Make the folder and write the spec into it.

        Raises:
            OSError: the results folder can't be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.spec.exists():
            write_atomically(self.spec, (json.dumps(spec.resolved(), indent=1, sort_keys=True) + "\n").encode())

    def read_spec(self) -> RunSpec:
        """The spec that was submitted.

        Raises:
            ValueError: the file is damaged, or its spec is not the one that the folder is named after.
        """
        try:
            raw = json.loads(self.spec.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{self.spec}: damaged ({error}); delete the folder to start the run anew") from None
        if spec_id(raw) != self.id:
            raise ValueError(f"{self.spec}: its spec is not that of run {self.id}: it was edited; delete the folder")
        return RunSpec.parse(raw)

    def state(self) -> State:
        """What the files say; "damaged" is a record that can't be trusted."""
        if self.record.exists():
            try:
                return Record.read(self.record).status
            except DamagedRecordError:
                return "damaged"
        if not self.spec.exists():
            return "missing"
        return "running" if self.holder() else "submitted"

    def read_progress(self) -> dict[str, Any]:
        """The run's last word on what it is doing; empty where it has not spoken."""
        try:
            found = json.loads(self.progress.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def holder(self) -> dict[str, Any] | None:
        """Who works on the run now (host, pid, job), or None."""
        newest = self._newest()
        if newest is None:
            return None
        path, who = newest
        return who if _alive(path, who, self._now()) else None

    def _newest(self) -> tuple[Path, dict[str, Any]] | None:
        for path in sorted(self.path.glob("claim.*"), key=lambda p: int(p.suffix[1:]), reverse=True):
            try:
                return path, json.loads(path.read_text())
            except FileNotFoundError:
                continue  # Let go between the listing and the reading.
        return None

    def _now(self) -> float:
        """The file system's own clock: a shared one may differ from this host's."""
        handle, name = tempfile.mkstemp(dir=self.path, prefix=".clock.")
        try:
            return os.fstat(handle).st_mtime
        finally:
            os.close(handle)
            Path(name).unlink()

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the run while the block runs, giving signs of life.

        Raises:
            BusyError: somebody else holds it.
        """
        mine = self._take()
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(HEARTBEAT):
                with contextlib.suppress(FileNotFoundError):
                    os.utime(mine)

        thread = threading.Thread(target=beat, name="claim", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            # Older claims are dead ones; with the record written or the work given up, none is needed.
            for path in self.path.glob("claim.*"):
                if int(path.suffix[1:]) <= int(mine.suffix[1:]):
                    path.unlink(missing_ok=True)

    def _take(self) -> Path:
        newest = self._newest()
        number = 0
        if newest is not None:
            path, who = newest
            if _alive(path, who, self._now()):
                raise BusyError(f"run {self.id} is being worked on by process {who['pid']} on {who['host']}")
            number = int(path.suffix[1:]) + 1
        mine = self.path / f"claim.{number}"
        me = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": _started(os.getpid()),
            "job": os.environ.get("SLURM_JOB_ID"),
        }
        handle, temporary = tempfile.mkstemp(dir=self.path, prefix=".claim.")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(canonical_json(me))
            os.link(temporary, mine)
        except FileExistsError:
            raise BusyError(f"run {self.id} was claimed by another process at this moment") from None
        finally:
            Path(temporary).unlink()
        return mine


def _alive(path: Path, who: dict[str, Any], now: float) -> bool:
    if who["host"] == socket.gethostname() and _started(who["pid"]) != who["started"]:
        return False
    try:
        return now - path.stat().st_mtime < SILENCE
    except FileNotFoundError:
        return False


def _started(pid: int) -> str | None:
    """When a process of this host began, in the kernel's ticks since boot; None when there is none.

    With it a recycled pid is not mistaken for the process that had it before.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]
