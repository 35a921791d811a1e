"""Run one kernel over a range of tasks on as many threads as PyTorch would use.

Kernels release the interpreter's lock, so ordinary threads suffice: nothing of numba's or OpenMP's own
thread pools is touched, their settings cannot leak, and a forked child starts with a pool of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count

import numpy as np
import torch

Kernel = Callable[[np.ndarray, int, int], None]

_CHUNKS_PER_WORKER = 4  # evens out a core that is slowed by another process
_WORK_PER_THREAD = 200_000  # state updates below which waking a thread costs more than it saves

_pool: ThreadPoolExecutor | None = None


def _forget() -> None:
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _submit(work: Callable[[], None]) -> Future[None]:
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="zigbench-ops")
    return _pool.submit(work)


def run(kernel: Kernel, arguments: np.ndarray, tasks: int, work: int) -> None:
    """Call `kernel(arguments, first, last)` until [0, tasks) is covered; `work` is the total of updates.

    Which thread takes which task varies; every task writes its own outputs, so results do not.
    """
    threads = min(torch.get_num_threads(), tasks, work // _WORK_PER_THREAD)
    if threads <= 1:
        kernel(arguments, 0, tasks)
        return
    chunks = min(tasks, threads * _CHUNKS_PER_WORKER)
    ticket = count()  # next() on it is atomic

    def take() -> None:
        while (i := next(ticket)) < chunks:
            kernel(arguments, i * tasks // chunks, (i + 1) * tasks // chunks)

    others = [_submit(take) for _ in range(threads - 1)]
    take()
    for other in others:
        other.result()
