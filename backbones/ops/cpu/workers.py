"""Run one kernel on as many threads as PyTorch would use, on PyTorch's own pool of threads.

A kernel takes tasks from a shared ticket until none is left, so any number of threads may call it at once.
Where PyTorch ships an OpenMP runtime with GNU's entry point, its threads run the kernel: they are awake
already, and the count is passed with the call, so no setting leaks. Elsewhere ordinary threads run it; kernels
do not hold the interpreter's lock. A forked child runs on one thread: no OpenMP pool survives a fork.
"""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

_WORK_PER_THREAD = 200_000  # element updates below which waking a thread costs more than it saves

_forked = False
_pool: ThreadPoolExecutor | None = None


def _after_fork() -> None:
    global _forked, _pool
    _forked, _pool = True, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _openmp() -> Any:
    """Return ``GOMP_parallel(function, argument, threads, flags)`` of this process's OpenMP runtime, or None."""
    try:
        entry = ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError, TypeError):
        return None
    entry.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    entry.restype = None
    return entry


_parallel = _openmp()


def run(kernel: Any, arguments: list[int], tasks: int, work: int) -> None:
    """Call the compiled `kernel` on (0, tasks, *arguments); `work` is its number of element updates.

    The assignment of tasks to threads varies; every task writes its own outputs, so results do not.
    """
    packed = np.array([0, tasks, *arguments], dtype=np.int64)
    address = packed.ctypes.data
    threads = min(torch.get_num_threads(), tasks, work // _WORK_PER_THREAD)
    if threads <= 1 or _forked:
        kernel.ctypes(address)
    elif _parallel is not None:
        _parallel(kernel.address, address, threads, 0)
    else:
        _run_in_threads(kernel, address, threads)


def _run_in_threads(kernel: Any, address: int, threads: int) -> None:
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="zigbench-ops")
    others = [_pool.submit(kernel.ctypes, address) for _ in range(threads - 1)]
    kernel.ctypes(address)
    for other in others:
        other.result()
