"""Speed and memory of a training as it goes: wall-clock figures, kept apart from the log, which is exact."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, TypeVar

import torch

from zigbench import host_memory

T = TypeVar("T")

INTERVAL = 5.0
"""Seconds between two lines."""


class Meter:
    """Measures between one line and the next.

    Args:
        batch: images a step, over all processes.
        tokens: tokens an image.
        device: whose memory is told.
        seconds: that the training had taken when it was resumed.
        ceiling: images a second that all devices together would reach if they did nothing but matrix products; None
            where that is not known.
    """

    def __init__(
        self, batch: int, tokens: int, device: torch.device, seconds: float = 0.0, ceiling: float | None = None
    ) -> None:
        self.batch = batch
        self.tokens = tokens
        self.device = device
        self.ceiling = ceiling
        self._before = seconds
        self._begun = self._last = time.perf_counter()
        self._steps = 0
        self._waited = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of training so far, those before a resumption included."""
        return self._before + time.perf_counter() - self._begun

    def waiting(self, source: Iterator[T]) -> T | None:
        """The next of ``source``, counting the time as waiting; None at its end."""
        begun = time.perf_counter()
        found = next(source, None)
        self._waited += time.perf_counter() - begun
        return found

    def due(self) -> bool:
        """Count a step; true when it is time for a line."""
        self._steps += 1
        return time.perf_counter() - self._last >= INTERVAL

    def line(self, step: int) -> dict[str, Any]:
        """Figures since the line before; ``step`` is the number of steps done.

        images_per_second and tokens_per_second over all processes; matrix_peak_share, the share of the ceiling that
        was reached (operations that are done twice to save memory count once), where there is one; data_wait_share,
        the share of the time spent on getting the next batch; peak_memory_bytes of this process, on the device where
        it is a GPU.
        """
        now = time.perf_counter()
        span = max(now - self._last, 1e-9)
        images = self._steps * self.batch / span
        figures = {
            "step": step,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(images, 2),
            "tokens_per_second": round(images * self.tokens, 1),
            "data_wait_share": round(self._waited / span, 5),
            "peak_memory_bytes": peak_memory(self.device),
        }
        if self.ceiling is not None:
            figures["matrix_peak_share"] = round(images / self.ceiling, 5)
        self._last, self._steps, self._waited = now, 0, 0.0
        return figures


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that tensors took on a GPU; the most the process took of the host's memory otherwise."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return host_memory.peak_resident_bytes()
