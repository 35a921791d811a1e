"""Memory of this process and of the host, in bytes, and the cores that it may use; limits of containers included."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

STATUS = Path("/proc/self/status")

LARGEST_REUSED = 32 << 20
"""Bytes of the largest block that the allocator reuses once it is freed: the largest value that glibc allows."""


CGROUPS = Path("/sys/fs/cgroup")
"""Where Linux shows the control groups, by which containers and SLURM limit processes."""

MEMBERSHIP = Path("/proc/self/cgroup")


def available_bytes() -> int:
    """Return the memory that this process can get without swapping: the host's, or its control group's if less."""
    return max(0, min(int(psutil.virtual_memory().available), *_rooms(), sys.maxsize))


def available_cores() -> int:
    """Return the cores that this process may keep busy: those it may run on, or its control group's quota if less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, *(int(quota) for quota in _quotas()), sys.maxsize))


def _rooms() -> Iterator[int]:
    """Yield the memory that is left in each control group that limits it; what is cached of files can be dropped."""
    for folder in _groups("memory"):
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes")
        if limit is not None and used is not None:
            # Of the older kind of groups "total_…" counts the groups within, as their usage does.
            cached = re.findall(r"^(?:total_)?inactive_file (\d+)$", _text(folder / "memory.stat"), re.MULTILINE)
            yield limit - used + max(map(int, cached), default=0)


def _quotas() -> Iterator[float]:
    """Yield the quota of processor time of each control group that has one, in cores."""
    for folder in _groups("cpu"):
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        numbers = (quota, period) if period else (_text(folder / f"cpu.cfs_{n}_us") for n in ("quota", "period"))
        share, whole = (int(number) if number.strip().isdigit() else 0 for number in numbers)
        if share and whole:
            yield share / whole


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control groups, the innermost first; none where there are none."""
    for line in _text(MEMBERSHIP).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = CGROUPS / (controller if controllers else "")
        # In a container the path may be the host's, which is not there; its own group is then the root.
        inner = root / path.lstrip("/")
        yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(root) and folder.is_dir())


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    """Return the text of a file; "" where it is not there or may not be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


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
