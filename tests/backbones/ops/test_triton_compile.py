"""The Triton kernels compile for a GPU that is not there, and keep to the layout they were written for."""

from __future__ import annotations

import os
from typing import Any

import pytest

pytest.importorskip("triton")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("the interpreter compiles nothing", allow_module_level=True)

from backbones.ops.conv import triton_kernels
from backbones.ops.machine_code.compilation import compiled
from backbones.ops.scan import triton_backward, triton_carries, triton_forward

CONV = {"WIDTH": 4, "BLOCK": 128, "STEPS": 4, "SILU": True, "HAS_BIAS": True, "HAS_ORDER": True}
SCAN = {
    "N": 16, "NP": 16, "W": 32, "G": 2, "STEPS": 2, "INTERVAL": 32, "LOCAL": False, "CARRY": True, "SAVE": True,
    "SOFTPLUS": True, "HAS_BIAS": True, "HAS_D": True, "HAS_Z": True, "HAS_ORDER": True,
    "PAIRED": True, "ALIGN": 16,
}  # fmt: skip


def _compiled(kernel: Any, constants: dict[str, Any]) -> Any:
    """`kernel` for compute capability 9.0, streams in bfloat16."""
    return compiled(kernel, constants, 90)


@pytest.mark.parametrize("local", [False, True])
def test_the_forward_sweep_stays_in_registers(local: bool) -> None:
    flags = {"LOCAL": local, "CARRY": not local, "SAVE": not local}
    kernel = _compiled(triton_forward.sweep, {**SCAN, **flags})
    assert kernel.metadata.shared == 0
    assert "shfl" not in kernel.asm["ptx"]
    # B and C of a step come in loads of sixteen bytes, and exp2 is one instruction.
    assert "ld.global.v4.b32" in kernel.asm["ptx"]
    assert "ex2.approx.ftz.f32" in kernel.asm["ptx"]
    assert "ex2.approx.f32" not in kernel.asm["ptx"]


def test_the_walk_from_the_right_stays_in_registers() -> None:
    kernel = _compiled(triton_carries.arrivals, SCAN)
    assert kernel.metadata.shared == 0
    assert "shfl" not in kernel.asm["ptx"]


def test_the_backward_sweep_uses_little_shared_memory() -> None:
    kernel = _compiled(triton_backward.sweep_back, {**SCAN, "G": 4, "W": 8, "STEPS": 2})
    # Eight programs fit on a multiprocessor by registers; their shared memory must not be what limits them.
    assert kernel.metadata.shared <= 16384


@pytest.mark.parametrize("reverse", [False, True])
def test_the_carries_compile(reverse: bool) -> None:
    kernel = _compiled(triton_carries.carries, {"N": 16, "BLOCK": 32, "BATCH": 8, "REVERSE": reverse})
    assert kernel.metadata.shared == 0


@pytest.mark.parametrize("name", ["forward", "backward"])
def test_the_convolution_compiles(name: str) -> None:
    kernel = _compiled(getattr(triton_kernels, name), CONV)
    assert kernel.metadata.shared == 0
