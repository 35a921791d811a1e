"""Batches read ahead, so that training does not wait for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from zigbench.data.split import Batch, Split

THREADS = 4
AHEAD = 8
"""Batches that are being read or are ready."""


def batches(split: Split, indices: Callable[[int], Any], start: int, stop: int) -> Iterator[Batch]:
    """Yield the batches of steps ``start`` to ``stop`` (exclusive), in order.

    A split that is resident in memory is read when its batch is due; any other by threads, ahead of time. An
    error in reading is raised at the step whose batch it is.

    Args:
        split: where to read.
        indices: the samples of a step, as the split's ``batch`` takes them.
    """
    if split.resident:
        for step in range(start, stop):
            yield split.batch(indices(step))
        return
    with ThreadPoolExecutor(THREADS, thread_name_prefix="data") as pool:
        waiting: deque[Future[Batch]] = deque()
        try:
            for step in range(start, stop):
                while len(waiting) < AHEAD and step + len(waiting) < stop:
                    waiting.append(pool.submit(split.batch, indices(step + len(waiting))))
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
