"""A lock on a folder that several machines share.

A lock is a numbered file, made by hard link so that exactly one of any number of contenders makes number n + 1. A
lock whose holder no longer updates its heartbeat is stale: the next number overtakes it. It is never deleted by
another process, since its holder may only be slow.
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
from typing import Any

from zigbench.spec import canonical_json
from zigbench.spec.errors import MachineError

HEARTBEAT = 5.0
"""Seconds between two heartbeats of a lock's holder."""

STALE_AFTER = 60.0
"""Seconds without a heartbeat after which a lock is stale."""


class BusyError(MachineError):
    """Another process holds the lock; the message names it."""


@dataclass(frozen=True)
class RunLock:
    """A lock on a folder: the files ``<stem>.0``, ``<stem>.1``, …, of which the newest counts.

    Args:
        folder: folder that is locked; it exists when the lock is taken.
        stem: beginning of the files' names.
        subject: thing that is locked, for messages ("run 12ab").
    """

    folder: Path
    stem: str = "claim"
    subject: str = "this"

    def holder(self) -> dict[str, Any] | None:
        """Return the process that holds the lock now (host, pid, job), or None."""
        newest = self._newest()
        if newest is None:
            return None
        path, holder = newest
        return holder if self._alive(path, holder) else None

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock while the block runs, and update its heartbeat.

        Raises:
            BusyError: another process holds it.
        """
        lock = self._take()
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(HEARTBEAT):
                with contextlib.suppress(FileNotFoundError):
                    os.utime(lock)

        thread = threading.Thread(target=beat, name="lock", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            # Older locks are stale; the work has ended, so no lock is needed any more.
            for number, path in self._all():
                if number <= _number(lock):
                    path.unlink(missing_ok=True)

    def _all(self) -> list[tuple[int, Path]]:
        return sorted((_number(path), path) for path in self.folder.glob(f"{self.stem}.*"))

    def _newest(self) -> tuple[Path, dict[str, Any]] | None:
        for _, path in reversed(self._all()):
            try:
                return path, json.loads(path.read_text())
            except FileNotFoundError:
                continue  # Released between the listing and the reading.
        return None

    def _take(self) -> Path:
        newest = self._newest()
        number = 0
        if newest is not None:
            path, holder = newest
            if self._alive(path, holder) and not _before_requeueing(holder):
                raise BusyError(f"{self.subject} is locked by process {holder['pid']} on {holder['host']}")
            number = _number(path) + 1
        lock = self.folder / f"{self.stem}.{number}"
        handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=f".{self.stem}.")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(canonical_json(_this_process()))
            os.link(temporary, lock)
        except FileExistsError:
            raise BusyError(f"{self.subject} was locked by another process at this moment") from None
        finally:
            Path(temporary).unlink()
        return lock

    def _alive(self, path: Path, holder: dict[str, Any]) -> bool:
        if holder["host"] == socket.gethostname() and started(holder["pid"]) != holder["started"]:
            return False
        try:
            return self._now() - path.stat().st_mtime < STALE_AFTER
        except FileNotFoundError:
            return False

    def _now(self) -> float:
        """Return the file system's own time: a shared one may differ from this host's."""
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".clock.")
        try:
            return os.fstat(handle).st_mtime
        finally:
            os.close(handle)
            Path(name).unlink()


def _this_process() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": started(os.getpid()),
        "job": os.environ.get("SLURM_JOB_ID"),
        "restart": os.environ.get("SLURM_RESTART_COUNT", "0"),
    }


def _before_requeueing(holder: dict[str, Any]) -> bool:
    """Return whether the holder is an earlier start of this job, which the scheduler has ended and requeued since."""
    process = _this_process()
    same_job = process["job"] is not None and holder["job"] == process["job"]
    return same_job and holder.get("restart") != process["restart"]


def started(pid: int) -> str | None:
    """Return when a process of this host began, in the kernel's ticks since boot; None when there is none.

    With it a recycled pid is not mistaken for the process that had it before.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _number(path: Path) -> int:
    return int(path.suffix[1:])
