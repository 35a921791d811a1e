"""The kernels' own machine code, compiled for GPUs that are not there: limits that have been reached and are held."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("triton")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("the interpreter compiles nothing", allow_module_level=True)

from backbones.ops.machine_code.chips import CHIPS
from backbones.ops.machine_code.compilation import machine_code
from backbones.ops.machine_code.prediction import Prediction, predict
from backbones.ops.machine_code.variants import Shape, Variant, variants
from backbones.ops.scan import triton_backward
from backbones.ops.scan.triton_split import columns, row_group

GPU, PRECISION = "H200", "bfloat16"

# Instructions a state update, at 16 states, with order, gate and bias; of the backward sweep, the tiles around its
# steps included. Triton 3.8 needs 8.5, 6.0, 8.7 and 30.4.
LIMITS = {"scan, last pass": 9.5, "scan, local pass": 7.0, "scan, saving pass": 11.0, "scan, backward": 31.0}

# The kernels with the fewest registers to spare, on the other architectures.
TIGHT = [
    *((gpu, "scan, backward") for gpu in ("A100", "RTX 3090", "RTX 4090", "B200", "RTX 5090")),
    ("RTX 5090", "scan, local pass"), ("RTX 5090", "scan, saving pass"),
]  # fmt: skip


@pytest.fixture(scope="module")
def calls() -> dict[str, Variant]:
    """The variants by name; the split of the scan's compiles three of them."""
    return {variant.name: variant for variant in variants(Shape(), CHIPS[GPU], PRECISION)}


@pytest.fixture(scope="module")
def readings(calls: dict[str, Variant]) -> dict[str, Prediction]:
    return {name: predict(call, GPU, PRECISION, order=True, gate=True) for name, call in calls.items()}


def test_every_kernel_has_a_variant(calls: dict[str, Variant]) -> None:
    assert set(calls) == {
        *LIMITS, "scan, carries", "scan, arrivals", "convolution, forward", "convolution, backward",
    }  # fmt: skip


def test_no_kernel_has_a_stack(readings: dict[str, Prediction]) -> None:
    assert {name: reading.stack for name, reading in readings.items() if reading.stack} == {}


@pytest.mark.parametrize(("gpu", "name"), TIGHT)
def test_no_architecture_has_a_stack(calls: dict[str, Variant], gpu: str, name: str) -> None:
    # All chips launch the same variants: only the number of chunks is their own.
    code = machine_code(calls[name].kernel, calls[name].constants, CHIPS[gpu].architecture, PRECISION)
    assert code.resources.stack == 0


@pytest.mark.parametrize(
    ("precision", "order", "gate", "states"),
    [
        ("float32", True, True, 16),
        ("float16", False, False, 16),
        (PRECISION, True, True, 8),
        (PRECISION, True, True, 64),
    ],
)
def test_no_backward_sweep_has_a_stack(
    calls: dict[str, Variant], precision: str, order: bool, gate: bool, states: int
) -> None:
    size = {"N": states, "NP": states, "G": row_group(Shape().channels, states), "W": columns(states)}
    constants = {**calls["scan, backward"].constants, **size, "HAS_ORDER": order, "HAS_Z": gate}
    code = machine_code(triton_backward.sweep_back, constants, CHIPS[GPU].architecture, precision)
    assert code.resources.stack == 0


@pytest.mark.parametrize("name", LIMITS)
def test_a_state_update_takes_few_instructions(readings: dict[str, Prediction], name: str) -> None:
    assert readings[name].instructions <= LIMITS[name]


@pytest.mark.parametrize("name", ["scan, last pass", "scan, local pass", "scan, saving pass"])
def test_a_forward_pass_takes_an_exponential_a_state(
    calls: dict[str, Variant], readings: dict[str, Prediction], name: str
) -> None:
    # Seventeen or eighteen exponentials and a reciprocal for sixteen states.
    assert readings[name].special <= 19 / 16
    # As many warps are resident as the split has counted with.
    assert calls[name].programs <= CHIPS[GPU].schedulers * readings[name].resident


def test_a_prediction_is_the_longer_of_issue_and_memory(readings: dict[str, Prediction]) -> None:
    reading = readings["scan, last pass"]
    assert reading.seconds >= reading.moved / CHIPS[GPU].bandwidth
    # At sixteen elements of special functions an SM and cycle, no scan of this many exponentials is faster.
    exponentials = Shape().elements * 18
    assert reading.seconds >= exponentials / (16 * CHIPS[GPU].multiprocessors * CHIPS[GPU].clock) * 0.99
