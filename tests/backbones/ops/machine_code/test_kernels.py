"""The kernels' own machine code, compiled for an H200: limits that have been reached and are held."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("triton")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("the interpreter compiles nothing", allow_module_level=True)

from backbones.ops.machine_code.chips import CHIPS
from backbones.ops.machine_code.prediction import Prediction, predict
from backbones.ops.machine_code.variants import Shape, Variant, variants

GPU, PRECISION = "H200", "bfloat16"

# Instructions a state update, at 16 states, with order, gate and bias. Triton 3.8 needs 8.7, 6.2 and 9.0.
LIMITS = {"scan, last pass": 9.5, "scan, local pass": 7.0, "scan, saving pass": 11.0}

# Of the backward sweep, the tiles before and after its steps included.
BACKWARD = 39.0


@pytest.fixture(scope="module")
def calls() -> dict[str, Variant]:
    """The variants by name; the split of the scan's compiles two of them."""
    return {variant.name: variant for variant in variants(Shape(), CHIPS[GPU], PRECISION)}


@pytest.fixture(scope="module")
def readings(calls: dict[str, Variant]) -> dict[str, Prediction]:
    return {name: predict(calls[name], GPU, PRECISION, order=True, gate=True) for name in LIMITS}


@pytest.mark.parametrize("name", LIMITS)
def test_a_forward_pass_takes_few_instructions_and_no_stack(
    calls: dict[str, Variant], readings: dict[str, Prediction], name: str
) -> None:
    reading = readings[name]
    assert reading.instructions <= LIMITS[name]
    assert reading.stack == 0
    # Seventeen or eighteen exponentials and a reciprocal for sixteen states.
    assert reading.special <= 19 / 16
    # As many warps are resident as the split has counted with.
    assert calls[name].programs <= CHIPS[GPU].schedulers * reading.resident


def test_every_kernel_has_a_variant(calls: dict[str, Variant]) -> None:
    assert set(calls) == {
        *LIMITS, "scan, carries", "scan, arrivals", "scan, backward", "convolution, forward", "convolution, backward",
    }  # fmt: skip


def test_the_backward_sweep_has_no_stack(calls: dict[str, Variant]) -> None:
    reading = predict(calls["scan, backward"], GPU, PRECISION, order=True, gate=True)
    assert reading.stack == 0
    assert reading.instructions <= BACKWARD


def test_a_prediction_is_the_longer_of_issue_and_memory(readings: dict[str, Prediction]) -> None:
    reading = readings["scan, last pass"]
    assert reading.seconds >= reading.moved / CHIPS[GPU].bandwidth
    # At sixteen elements of special functions an SM and cycle, no scan of this many exponentials is faster.
    exponentials = Shape().elements * 18
    assert reading.seconds >= exponentials / (16 * CHIPS[GPU].multiprocessors * CHIPS[GPU].clock) * 0.99
