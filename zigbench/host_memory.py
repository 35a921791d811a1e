"""Memory of this process and of the host, in bytes."""

from __future__ import annotations

import ctypes
import platform
import resource
import sys
from pathlib import Path

import psutil

STATUS = Path("/proc/self/status")

LARGEST_REUSED = 32 << 20
"""Bytes of the largest block that the allocator reuses once it is freed: the largest value that glibc allows."""


def available_bytes() -> int:
    """Return the memory that the host can give without swapping."""
    return int(psutil.virtual_memory().available)


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    return int(psutil.Process().memory_info().rss)


def peak_resident_bytes() -> int:
    """Return the largest resident memory of this process so far.

    On Linux this is the kernel's account of the process itself, which psutil does not read: ``getrusage`` returns at
    least the peak of the process that started this one.
    """
    if STATUS.exists():
        for line in STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def keep_freed() -> bool:
    """Make the allocator keep freed memory for its next use until this process ends; return whether it does.

    glibc returns the end of its heap to the system whenever much of it is free, and whether a network's activations
    lie there differs from one process to the next. Where they do, each call touches thousands of new pages, and
    takes up to three times as long. Other allocators are not changed.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    trim_threshold, mmap_threshold = -1, -3  # of malloc.h
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(mmap_threshold, LARGEST_REUSED) and libc.mallopt(trim_threshold, 2**31 - 1))
