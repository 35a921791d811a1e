"""Times of calls: device events on a GPU, the monotonic clock elsewhere; warm-up until the time is steady."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Call = Callable[[], Any]

WINDOW = 3
"""Calls whose median is compared with that of as many before them."""

TOLERANCE = 0.05
"""Share by which the two medians may differ where the time counts as steady."""

CHANCES = 3 * WINDOW
"""Warm-up calls that a long call too is given to become steady in: two windows, and room to move them on."""

LEAST, MOST = 5, 200
"""Timed calls."""

PATIENCE = 25.0
"""Times what was given, from which on few calls must do: one to warm up, and ``WINDOW`` that are timed."""

BURST = 0.05
"""Seconds of calls that are sent to a GPU before it is waited for."""


@dataclass(frozen=True)
class Times:
    """What calling something again and again took.

    Attributes:
        warm_up: seconds of each call before those that count.
        samples: seconds of each call that counts.
        steady: whether the time was steady when those began; False where the warm-up ran out of its time.
    """

    warm_up: tuple[float, ...]
    samples: tuple[float, ...]
    steady: bool

    @property
    def median(self) -> float:
        return statistics.median(self.samples)


def wait(device: torch.device) -> None:
    """Until what was sent to the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def once(call: Call, device: torch.device) -> float:
    """Seconds of one call, from when it is sent until it is done."""
    wait(device)
    begun = time.perf_counter()
    call()
    wait(device)
    return time.perf_counter() - begun


def times(call: Call, device: torch.device, count: int) -> list[float]:
    """Seconds of each of ``count`` calls, one sent after another: on a GPU it is waited for at the end."""
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
    """Whether the last ``window`` times have the median of the ``window`` before them, within the tolerance."""
    if len(samples) < 2 * window:
        return False
    before, after = statistics.median(samples[-2 * window : -window]), statistics.median(samples[-window:])
    return abs(after - before) <= tolerance * before


def measure_times(call: Call, device: torch.device, *, seconds: float) -> Times:
    """Call until the time is steady, then for ``seconds``; the very first call is the caller's to make.

    The warm-up ends unsteady once it has taken twice ``seconds`` and had ``CHANCES``.
    """
    warm: list[float] = []
    while not steady(warm) and not _through(warm, 2 * seconds, CHANCES, 1):
        warm += times(call, device, _burst(warm, device))
    samples: list[float] = []
    while len(samples) < MOST and not _through(samples, seconds, LEAST, WINDOW):
        samples += times(call, device, min(_burst(warm, device), MOST - len(samples)))
    return Times(tuple(warm), tuple(samples), steady(warm))


def _through(taken: Sequence[float], seconds: float, least: int, few: int) -> bool:
    """Whether calls took their seconds and are ``least`` of them; where they are long beyond patience, ``few``."""
    spent = sum(taken)
    return spent >= seconds and len(taken) >= (least if spent < PATIENCE * seconds else few)


def _burst(known: Sequence[float], device: torch.device) -> int:
    if device.type != "cuda" or not known:
        return 1
    return max(1, min(MOST // 4, int(BURST / max(known[-1], 1e-6))))
