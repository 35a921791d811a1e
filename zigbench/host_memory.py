"""What this process takes of the host's memory, in bytes, and what it gives back."""

from __future__ import annotations

import ctypes
import platform
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")

KEPT = 32 << 20
"""Bytes of the largest block that is kept once it is freed: the most that glibc allows."""


def resident_bytes() -> int:
    """Resident now; the most so far where the system tells no more."""
    return _of_status("VmRSS") or _inherited()


def peak_resident_bytes() -> int:
    """The most that was resident so far.

    By Linux's own account of this process: what ``getrusage`` tells is, there, at least what the process had that
    this one was started from.
    """
    return _of_status("VmHWM") or _inherited()


def keep_freed() -> bool:
    """Have the allocator keep what is freed until this process ends, for its next use; whether it will.

    glibc returns the end of its heap to the system whenever much of it is free, and whether a network's activations
    come to lie there differs from one process to the next. Where they do, each call touches thousands of new pages, and
    takes up to three times as long. Other allocators are left as they are.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    trim_threshold, mmap_threshold = -1, -3  # of malloc.h
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(mmap_threshold, KEPT) and libc.mallopt(trim_threshold, 2**31 - 1))


def _inherited() -> int:
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024


def _of_status(key: str) -> int | None:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), None)
