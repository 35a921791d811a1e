"""The least time of a piece of work."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.efficiency.limits import FORWARD, TRAINING, Ceilings, least_seconds, measure_ceilings, work
from zigbench.spec import Cost

CEILINGS = Ceilings(copy=1e9, matmul_float32=1e12, matmul_bfloat16=8e12, exp=1e10)
COSTS = st.builds(Cost, *[st.integers(1, 10**15)] * 4)


@pytest.mark.parametrize(
    ("cost", "precision", "seconds"),
    [
        (Cost(10**12, 0, 0, 0), "float32", 1.0),
        (Cost(8 * 10**12, 0, 0, 0), "bfloat16", 1.0),
        (Cost(8 * 10**12, 10**12, 0, 0), "bfloat16", 2.0),  # A scan does not run on matrix units.
        (Cost(0, 0, 10**10, 0), "float32", 1.0),
        (Cost(0, 0, 0, 10**9), "float32", 4.0),
        (Cost(10**12, 0, 10**11, 10**9), "float32", 10.0),  # The slowest alone counts.
    ],
)
def test_each_roof(cost, precision, seconds):
    size = 4 if precision == "float32" else 2
    assert least_seconds(cost, CEILINGS, precision=precision, value_bytes=size) == pytest.approx(seconds)


@given(COSTS, st.integers(1, 50), st.floats(1.5, 10))
def test_more_work_takes_longer_and_a_faster_device_is_faster(cost, times, factor):
    def seconds(cost: Cost, ceilings: Ceilings = CEILINGS) -> float:
        return least_seconds(cost, ceilings, precision="bfloat16", value_bytes=2)

    assert seconds(cost * times) == pytest.approx(times * seconds(cost))
    once, whole = seconds(work(cost, FORWARD)), seconds(work(cost, TRAINING))
    assert once == seconds(cost)
    assert 2 * once * (1 - 1e-9) <= whole <= 3 * once * (1 + 1e-9)
    assert work(cost, FORWARD, times) == cost * times
    faster = replace(CEILINGS, **{name: factor * rate for name, rate in asdict(CEILINGS).items()})
    assert seconds(cost, faster) == pytest.approx(seconds(cost) / factor)


def test_ceilings_are_rates_of_this_machine():
    found = measure_ceilings(torch.device("cpu"))
    assert all(rate > 0 for rate in asdict(found).values())
    assert found.matmul("float16") == found.matmul("bfloat16") == found.matmul_bfloat16
    assert found.matmul("float32") == found.matmul_float32
