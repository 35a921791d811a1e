"""A lock on a folder that several machines share.

A lock is a numbered file, made by hard link so that exactly one of any number of contenders makes number n + 1. A
lock whose holder no longer updates its heartbeat is stale: the next number overtakes it. It is never deleted by
another process, since its holder may only be slow. A holder that was overtaken finds out when it calls
:meth:`HeldLock.check`, which it does before each write.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from zigbench.spec import canonical_json
from zigbench.spec.errors import MachineError
from zigbench.spec.files import new_file, write_atomically

log = logging.getLogger(__name__)

T = TypeVar("T")

HEARTBEAT = 5.0
"""Seconds between two heartbeats of a lock's holder."""

STALE_AFTER = 60.0
"""Seconds without a heartbeat after which a lock is stale."""

ATTEMPTS = 4
"""Attempts at reading a lock: a network file system may fail for a moment."""


class BusyError(MachineError):
    """Another process holds the lock; the message names it."""


class LostLockError(BusyError):
    """This process held the lock, was silent for too long, and was overtaken: it must not write any more."""


@dataclass
class HeldLock:
    """A lock that this process has taken.

    Args:
        path: file of the lock.
        content: text of the file, which no other lock's file has.
        lock: lock that it belongs to.
    """

    path: Path
    content: str
    lock: RunLock
    _stop: threading.Event = field(default_factory=threading.Event)
    _warned: bool = False

    def check(self) -> None:
        """Raise an error unless this process still holds the lock.

        Raises:
            LostLockError: another process took the lock over, or removed it.
            OSError: the folder cannot be read, again and again.
        """
        if not _persistently(self._is_newest):
            raise LostLockError(
                f"{self.lock.subject} was taken over by another process while this one did not run; this one stops"
            )

    def beat(self) -> None:
        """Update the heartbeat at regular intervals until the lock is released.

        An error may pass, so the next heartbeat is tried whatever happened to this one; a lock that is gone for good
        is noticed by the next check.
        """
        while not self._stop.wait(HEARTBEAT):
            try:
                os.utime(self.path)
            except OSError as error:
                if not self._warned:
                    log.warning("the heartbeat of %s failed (%s); it is tried again", self.path, error)
                self._warned = True

    def release(self) -> None:
        """Remove the lock's file and the stale ones before it; nothing where the lock was lost."""
        self._stop.set()
        try:
            if _persistently(self._is_newest):
                for _, path in self.lock.files():
                    if not path.is_dir():
                        path.unlink(missing_ok=True)
        except OSError as error:  # Without a heartbeat it is soon stale.
            log.warning("%s was not removed: %s", self.path, error)

    def _is_newest(self) -> bool:
        files = self.lock.files()
        try:
            return bool(files) and files[-1][1] == self.path and self.path.read_text(encoding="utf-8") == self.content
        except FileNotFoundError:
            return False


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
        """Return the process that holds the lock now (host, pid, job), or None.

        Nothing is written, so that a user who may only read can call this. The age of a heartbeat is measured by this
        host's clock, which may differ a little from the file system's.
        """
        newest = self._newest()
        if newest is None:
            return None
        path, holder = newest
        return holder if holder and _alive(path, holder, time.time()) else None

    @contextlib.contextmanager
    def hold(self) -> Iterator[HeldLock]:
        """Hold the lock while the block runs, and update its heartbeat.

        Raises:
            BusyError: another process holds it.
            OSError: the folder cannot be written.
        """
        held = self._take()
        thread = threading.Thread(target=held.beat, name="lock", daemon=True)
        thread.start()
        try:
            yield held
        finally:
            held.release()
            thread.join()

    def files(self) -> list[tuple[int, Path]]:
        """Return the files of the lock with their numbers, the newest last."""
        try:
            names = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        parts = [name.rpartition(".") for name in names]
        numbers = sorted(int(number) for stem, _, number in parts if stem == self.stem and number.isdecimal())
        return [(number, self.folder / f"{self.stem}.{number}") for number in numbers]

    def _newest(self) -> tuple[Path, dict[str, Any]] | None:
        for _, path in reversed(self.files()):
            with contextlib.suppress(FileNotFoundError):  # Released between the listing and the reading.
                return path, _persistently(partial(_read, path))
        return None

    def _take(self) -> HeldLock:
        newest = self._newest()
        number = 0
        if newest is not None:
            path, holder = newest
            if _alive(path, holder, self._now()) and not _before_requeueing(holder):
                process = f"process {holder['pid']} on {holder['host']}" if holder else "a process that writes it"
                raise BusyError(f"{self.subject} is locked by {process}")
            if not holder:
                log.warning("%s is damaged; it counts as the lock of a process that has ended", path)
            number = _number(path) + 1
        held = HeldLock(self.folder / f"{self.stem}.{number}", canonical_json(_this_process()), self)
        try:
            write_atomically(held.path, held.content.encode(), durable=False, replace=False)
        except FileExistsError:
            raise BusyError(f"{self.subject} was locked by another process at this moment") from None
        return held

    def _now(self) -> float:
        """Return the file system's own time: a shared one may differ from this host's."""
        handle, path = new_file(self.folder, ".clock.")
        try:
            return os.fstat(handle).st_mtime
        finally:
            os.close(handle)
            path.unlink()


def _persistently(read: Callable[[], T]) -> T:
    """Return what ``read`` returns, called again after an error, which may pass on a network file system.

    Raises:
        OSError: the error stays, or is a missing file.
    """
    for attempt in range(ATTEMPTS - 1):
        try:
            return read()
        except FileNotFoundError:
            raise
        except OSError:
            time.sleep(0.1 * 4**attempt)
    return read()


def _read(path: Path) -> dict[str, Any]:
    """Return the process that the file of a lock names; empty where the file is damaged.

    Raises:
        FileNotFoundError: the lock was released.
        OSError: it cannot be read at this moment.
    """
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except PermissionError:
        # Of another user, whose version made it private.
        return {"host": f"a host unknown to this user ({path} is not readable)", "pid": "", "started": "", "job": None}
    except (IsADirectoryError, ValueError):
        return {}
    whole = isinstance(holder, dict) and {"host", "pid", "started", "job"} <= holder.keys()
    return holder if whole else {}


def _alive(path: Path, holder: dict[str, Any], now: float) -> bool:
    """Return whether the holder of a lock lives, by its process on this host and by its heartbeat.

    Args:
        path: file of the lock.
        holder: content of the file; empty where it is damaged, or being written where there are no hard links.
        now: time in seconds.
    """
    if holder and holder["host"] == socket.gethostname() and started(holder["pid"]) != holder["started"]:
        return False
    try:
        return now - path.stat().st_mtime < (STALE_AFTER if holder else HEARTBEAT)
    except FileNotFoundError:
        return False


def _this_process() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": started(os.getpid()),
        "job": os.environ.get("SLURM_JOB_ID"),
        "restart": os.environ.get("SLURM_RESTART_COUNT", "0"),
        "token": secrets.token_hex(8),
    }


def _before_requeueing(holder: dict[str, Any]) -> bool:
    """Return whether the holder is an earlier start of this job, which the scheduler has ended and requeued since."""
    process = _this_process()
    same_job = process["job"] is not None and holder.get("job") == process["job"]
    return same_job and holder.get("restart") != process["restart"]


def started(pid: int) -> str | None:
    """Return when a process of this host began, in the kernel's ticks since boot; None when there is none.

    With it a recycled pid is not mistaken for the process that had it before.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _number(path: Path) -> int:
    return int(path.suffix[1:])
