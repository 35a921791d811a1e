"""Who may work in a folder that several machines share.

Claims are numbered files, made by hard link so that exactly one of any number of contenders makes claim n + 1; a
claim whose holder no longer gives a sign of life is overtaken by the next number, never deleted under somebody's
feet.
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
"""Seconds between two signs of life of a claim's holder."""

SILENCE = 60.0
"""Seconds without a sign of life after which a claim's holder counts as gone."""


class BusyError(MachineError):
    """Somebody else is at work here; the message says who."""


@dataclass(frozen=True)
class RunLock:
    """The claims ``<stem>.0``, ``<stem>.1``, … in a folder; the newest one counts.

    Args:
        folder: where they lie; it exists when one is made.
        stem: what they are for.
        what: the thing that is claimed, for messages ("run 12ab").
    """

    folder: Path
    stem: str = "claim"
    what: str = "this"

    def holder(self) -> dict[str, Any] | None:
        """Who holds the folder now (host, pid, job), or None."""
        newest = self._newest()
        if newest is None:
            return None
        path, who = newest
        return who if self._alive(path, who) else None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder while the block runs, giving signs of life.

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
            # Older claims are dead ones; now that the work is done or given up, none is needed.
            for number, path in self._all():
                if number <= _number(mine):
                    path.unlink(missing_ok=True)

    def _all(self) -> list[tuple[int, Path]]:
        return sorted((_number(path), path) for path in self.folder.glob(f"{self.stem}.*"))

    def _newest(self) -> tuple[Path, dict[str, Any]] | None:
        for _, path in reversed(self._all()):
            try:
                return path, json.loads(path.read_text())
            except FileNotFoundError:
                continue  # Let go between the listing and the reading.
        return None

    def _take(self) -> Path:
        newest = self._newest()
        number = 0
        if newest is not None:
            path, who = newest
            if self._alive(path, who) and not _earlier_life(who):
                raise BusyError(f"{self.what} is being worked on by process {who['pid']} on {who['host']}")
            number = _number(path) + 1
        mine = self.folder / f"{self.stem}.{number}"
        handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=f".{self.stem}.")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(canonical_json(_me()))
            os.link(temporary, mine)
        except FileExistsError:
            raise BusyError(f"{self.what} was claimed by another process at this moment") from None
        finally:
            Path(temporary).unlink()
        return mine

    def _alive(self, path: Path, who: dict[str, Any]) -> bool:
        if who["host"] == socket.gethostname() and started(who["pid"]) != who["started"]:
            return False
        try:
            return self._now() - path.stat().st_mtime < SILENCE
        except FileNotFoundError:
            return False

    def _now(self) -> float:
        """The file system's own clock: a shared one may differ from this host's."""
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".clock.")
        try:
            return os.fstat(handle).st_mtime
        finally:
            os.close(handle)
            Path(name).unlink()


def _me() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": started(os.getpid()),
        "job": os.environ.get("SLURM_JOB_ID"),
        "restart": os.environ.get("SLURM_RESTART_COUNT", "0"),
    }


def _earlier_life(who: dict[str, Any]) -> bool:
    """Whether a claim was made by this very job before it was requeued; the scheduler has ended that life."""
    me = _me()
    return me["job"] is not None and who["job"] == me["job"] and who.get("restart") != me["restart"]


def started(pid: int) -> str | None:
    """When a process of this host began, in the kernel's ticks since boot; None when there is none.

    With it a recycled pid is not mistaken for the process that had it before.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _number(path: Path) -> int:
    return int(path.suffix[1:])
