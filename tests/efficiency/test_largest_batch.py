"""Laws of the largest batch: one that does not fit is noticed, the largest that fits is found."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.efficiency.largest_batch import attempt, largest_fit, limited, out_of_memory

CPU = torch.device("cpu")


@given(st.integers(1, 5000), st.data())
def test_the_largest_is_found_in_as_few_trials_as_halving_needs(limit, data):
    largest = data.draw(st.integers(0, limit - 1))
    asked = []

    def fits(n: int) -> bool:
        asked.append(n)
        return n <= largest

    assert largest_fit(fits, limit) == largest
    assert len(asked) <= math.ceil(math.log2(limit)) if limit > 1 else not asked
    assert all(1 <= n < limit for n in asked)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("Triton Error [CUDA]: out of memory"), True),
        (RuntimeError("shapes can't be multiplied"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_which_errors_say_that_memory_ran_out(error, expected):
    assert out_of_memory(error) is expected


def test_an_attempt_tells_running_out_from_every_other_fault():
    def raising(error: Exception):
        def work() -> None:
            raise error

        return work

    assert attempt(lambda: None, CPU)
    assert not attempt(raising(MemoryError()), CPU)
    with pytest.raises(RuntimeError, match="something else"):
        attempt(raising(RuntimeError("something else")), CPU)


def test_a_limit_is_never_more_than_what_there_is():
    with limited(CPU, None) as everything, limited(CPU, 0.5) as half, limited(CPU, 1e9) as plenty:
        assert half == min(0.5, everything)
        assert plenty == pytest.approx(everything, rel=0.5)
