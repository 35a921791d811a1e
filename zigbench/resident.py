"""What this process takes of the host's memory, in bytes."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def now() -> int:
    """Resident now; the most so far where the system tells no more."""
    return _of_status("VmRSS") or _inherited()


def most() -> int:
    """The most that was resident so far.

    By Linux's own account of this process: what ``getrusage`` tells is, there, at least what the process had that
    this one was started from.
    """
    return _of_status("VmHWM") or _inherited()


def _inherited() -> int:
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024


def _of_status(key: str) -> int | None:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), None)
