"""Times of calls, by device events on a GPU and the monotonic clock elsewhere, after a warm-up to a steady time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Call = Callable[[], Any]

WINDOW = 3
"""Number of calls over which medians are compared, each with the median of as many calls before."""

TOLERANCE = 0.05
"""Relative difference of the two medians up to which the time counts as steady."""

WARM_UP_CALLS = 3 * WINDOW
"""Least number of warm-up calls, also of long calls: two windows and room to move them on."""

MIN_CALLS, MAX_CALLS = 5, 200
"""Bounds of the number of timed calls."""

LONG_CALLS = 25.0
"""Multiple of the given seconds beyond which fewer calls suffice: one to warm up, and ``WINDOW`` that are timed."""

BURST = 0.05
"""Seconds of calls that are queued on a GPU before it is synchronised."""


@dataclass(frozen=True)
class Times:
    """Times of repeated calls.

    Attributes:
        warm_up: seconds of each warm-up call.
        samples: seconds of each timed call.
        steady: whether the time was steady when the timed calls began; False if the warm-up exceeded its time.
    """

    warm_up: tuple[float, ...]
    samples: tuple[float, ...]
    steady: bool

    @property
    def median(self) -> float:
        """Median of the timed calls, in seconds."""
        return statistics.median(self.samples)


def wait(device: torch.device) -> None:
    """Wait until the device has done all queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def once(call: Call, device: torch.device) -> float:
    """Measure the seconds of one call, from its start until the device has done it."""
    wait(device)
    begun = time.perf_counter()
    call()
    wait(device)
    return time.perf_counter() - begun


def times(call: Call, device: torch.device, count: int) -> list[float]:
    """Measure the seconds of each of ``count`` calls; on a GPU they are queued, and synchronised once at the end."""
    if device.type != "cuda":
        return [once(call, device) for _ in range(count)]
    events = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
    events[0].record()
    for event in events[1:]:
        call()
        event.record()
    events[-1].synchronize()
    return [events[i].elapsed_time(events[i + 1]) / 1e3 for i in range(count)]


def steady(samples: Sequence[float], window: int = WINDOW, tolerance: float = TOLERANCE) -> bool:
    """Return whether the medians of the last ``window`` times and of those before agree within the tolerance."""
    if len(samples) < 2 * window:
        return False
    before, after = statistics.median(samples[-2 * window : -window]), statistics.median(samples[-window:])
    return abs(after - before) <= tolerance * before


def measure_times(call: Call, device: torch.device, *, seconds: float) -> Times:
    """Call until the time is steady, then time calls for ``seconds``. The caller has made the very first call.

    The warm-up ends unsteady after twice ``seconds`` and ``WARM_UP_CALLS`` calls.
    """
    warm: list[float] = []
    while not steady(warm) and not _enough(warm, 2 * seconds, WARM_UP_CALLS, 1):
        warm += times(call, device, _burst(warm, device))
    samples: list[float] = []
    while len(samples) < MAX_CALLS and not _enough(samples, seconds, MIN_CALLS, WINDOW):
        samples += times(call, device, min(_burst(warm, device), MAX_CALLS - len(samples)))
    return Times(tuple(warm), tuple(samples), steady(warm))


def _enough(taken: Sequence[float], seconds: float, least: int, few: int) -> bool:
    """Return whether calls took their seconds and are at least ``least``; of very long calls ``few`` suffice."""
    spent = sum(taken)
    return spent >= seconds and len(taken) >= (least if spent < LONG_CALLS * seconds else few)


def _burst(known: Sequence[float], device: torch.device) -> int:
    if device.type != "cuda" or not known:
        return 1
    return max(1, min(MAX_CALLS // 4, int(BURST / max(known[-1], 1e-6))))
