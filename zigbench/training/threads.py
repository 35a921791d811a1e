"""The number of threads of a training on the CPU, where neither the user nor a launcher has set it.

A thread that waits for another, which the operating system has not let run, spins: with as many threads as cores, and
other processes on those cores, a network of small layers trains several times slower than with one thread.
"""

from __future__ import annotations

import os
import time
import warnings

import torch

from zigbench import host_memory

VARIABLE = "OMP_NUM_THREADS"
"""The environment variable that sets the number; workers of a launch have it."""


def idle_threads(threads: int, cores: int, load: float) -> int:
    """Return how many of ``threads`` threads find a core of their own.

    Args:
        threads: number that PyTorch would use.
        cores: number of the machine that this process may use.
        load: mean number of processes that ran on them lately.
    """
    return max(1, min(threads, cores - round(load)))


def leave_busy_cores() -> None:
    """Compute with as many threads as cores are idle, and say so, unless the number was set.

    A number that the program set by ``torch.set_num_threads`` before is kept where it is not PyTorch's own default.
    """
    threads, cores = torch.get_num_threads(), host_memory.available_cores()
    idle = idle_threads(threads, cores, os.getloadavg()[0])
    if VARIABLE in os.environ or threads < cores or idle == threads:
        return
    torch.set_num_threads(idle)
    warnings.warn(
        f"computing with {idle} of {threads} threads, since other processes use the cores (load "
        f"{os.getloadavg()[0]:.1f}); set {VARIABLE} to choose the number",
        stacklevel=2,
    )


def passes_by_threads(seconds: float = 0.5) -> dict[int, float]:
    """Measure the passes a second of small layers on one thread, and on PyTorch's own number of them.

    Args:
        seconds: time of each measurement, and at most that of one pass longer.
    """
    before = torch.get_num_threads()
    layers = torch.nn.Sequential(*(torch.nn.Linear(256, 256) for _ in range(4)))
    x = torch.ones(256, 256)
    speeds = {}
    try:
        for threads in dict.fromkeys((1, before)):
            torch.set_num_threads(threads)
            layers(x)  # Starts the threads.
            begun, passes = time.perf_counter(), 0
            while (spent := time.perf_counter() - begun) < seconds or not passes:
                layers(x)
                passes += 1
            speeds[threads] = passes / spent
    finally:
        torch.set_num_threads(before)
    return speeds
