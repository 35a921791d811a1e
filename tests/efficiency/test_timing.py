"""Laws of the time that counts as steady, and of the number of calls that count."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.efficiency import timing
from zigbench.efficiency.timing import MAX_CALLS, MIN_CALLS, WARM_UP_CALLS, WINDOW, measure_times, steady

CPU = torch.device("cpu")
TIMES = st.lists(st.floats(1e-3, 1e3), min_size=2 * WINDOW, max_size=20)


@given(TIMES)
def test_whether_a_time_is_steady_does_not_hang_on_its_unit_or_on_what_lies_before(times):
    assert steady(times) == steady([8 * t for t in times])  # A power of two: the comparison is exact.
    assert steady(times) == steady([1e9, *times])


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([1.0] * (2 * WINDOW), True),
        ([1.0] * (2 * WINDOW - 1), False),  # Too few to compare.
        ([2.0**-i for i in range(10)], False),  # Still falling.
        ([1.0] * 10 + [2.0] * WINDOW, False),  # A step.
        ([1.0] * 10 + [2.0] * 2 * WINDOW, True),  # Steady again after it.
        ([1.0, 1.02, 0.99, 1.01, 1.03, 1.0], True),
        ([9.0, 1.0, 1.0, 1.0, 1.0, 9.0], True),  # One slow call among fast ones is no trend.
    ],
)
def test_steady(times, expected):
    assert steady(times) is expected


def test_calls_that_take_no_time_are_made_until_there_are_enough_of_them():
    calls = []
    taken = measure_times(lambda: calls.append(None), CPU, seconds=10.0)
    assert len(taken.samples) == MAX_CALLS
    assert len(calls) == len(taken.warm_up) + MAX_CALLS
    assert min(taken.samples) <= taken.median <= max(taken.samples)


class Clock:
    """A clock that calls move on: one takes as many seconds as the next of ``taken``, the last one again and again."""

    def __init__(self, *taken: float) -> None:
        self.taken = list(taken)
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def call(self) -> None:
        self.now += self.taken.pop(0) if len(self.taken) > 1 else self.taken[0]


@pytest.mark.parametrize(
    ("taken", "warm_up", "repeats", "is_steady"),
    [
        ([1.0], 2 * WINDOW, MIN_CALLS, True),  # Long beside what is given, and steady all the same.
        ([3.0, 2.0, 1.5, 1.0], 2 * WINDOW + 2, MIN_CALLS, True),  # As soon as it is.
        ([2 * 0.8**i for i in range(20)], WARM_UP_CALLS, MIN_CALLS, False),  # Never.
        ([40.0], 1, WINDOW, False),  # Too long for that.
    ],
)
def test_a_long_call_too_is_warmed_up_until_it_is_steady(monkeypatch, taken, warm_up, repeats, is_steady):
    clock = Clock(*taken)
    monkeypatch.setattr(timing, "time", clock)
    found = measure_times(clock.call, CPU, seconds=0.5)
    assert (len(found.warm_up), len(found.samples), found.steady) == (warm_up, repeats, is_steady)


def test_no_time_asks_for_the_fewest_calls():
    calls = []
    taken = measure_times(lambda: calls.append(None), CPU, seconds=1e-12)
    assert len(taken.warm_up) == 1
    assert not taken.steady
    assert WINDOW <= len(taken.samples) <= MIN_CALLS
    assert len(calls) == 1 + len(taken.samples)
