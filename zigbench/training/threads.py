"""The number of threads of a training on the CPU, where neither the user nor a launcher has set it.

A thread that waits for another, which the operating system has not let run, spins: with as many threads as cores, and
other processes on those cores, a network of small layers trains several times slower than with one thread. The number
must not follow the load of the moment, though: sums are rounded by it, and a resumed training must end with the same
bits.
"""

from __future__ import annotations

import os
import time
import warnings

import torch
from torch import nn

from zigbench import host_memory
from zigbench.backbone import count_parameters

VARIABLE = "OMP_NUM_THREADS"
"""The environment variable that sets the number; workers of a launch have it."""

SMALL = 1_000_000
"""Parameters of a network below which it is trained with one thread.

Two threads on two idle cores (Intel Xeon, torch 2.14) trained ZigMa of 122,561 parameters 1.27 times faster on 256
tokens, of 828,481 1.35 times and of 3,039,361 1.45 times; beside other processes they are several times slower.
"""


def choose_threads(network: nn.Module) -> None:
    """Compute a small network with one thread, and say so, unless the number of threads was set.

    A number that the program set by ``torch.set_num_threads`` before is kept where it is not PyTorch's own default.

    Args:
        network: to be trained on the CPU.
    """
    threads = torch.get_num_threads()
    chosen = VARIABLE in os.environ or threads < host_memory.available_cores()
    if chosen or threads == 1 or count_parameters(network) >= SMALL:
        return
    torch.set_num_threads(1)
    warnings.warn(
        f"computing with 1 of {threads} threads: a network of {count_parameters(network):,} parameters gains little by "
        f"more of them, and loses much beside other processes; set {VARIABLE} to choose the number",
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
