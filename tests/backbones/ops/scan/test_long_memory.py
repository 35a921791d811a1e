"""A scan whose memory is long loses no more than a plain float32 recurrence does, with each instruction set."""

from __future__ import annotations

import pytest

from backbones.ops.cpu.target import INSTRUCTION_SET
from tests.backbones.ops.scan import long_memory

CROSS_COMPILE = """
import re
from llvmlite import binding
from numba import types, void
from numba.core.ccallback import CFunc
from backbones.ops.conv import cpu_kernels
from backbones.ops.scan import cpu_backward, cpu_forward
binding.initialize_all_targets()
binding.initialize_all_asmprinters()
triple = "aarch64-unknown-linux-gnu"
machine = binding.Target.from_triple(triple).create_target_machine(cpu="neoverse-n1", opt=3)
for kernel in (cpu_forward.scan, cpu_backward.scan_gradient, cpu_kernels.conv, cpu_kernels.conv_gradient):
    fresh = CFunc(kernel._pyfunc, ((types.voidptr,), void), {}, {"nopython": True})
    fresh.compile()
    code = fresh.inspect_llvm()
    # numba counts a buffer's references in a form that LLVM has already turned into one for x86.
    counted = r"(%\\S+) = tail call i8 @llvm.x86.atomic.sub.cc.i64\\(ptr (?:nonnull )?([^,]+), i64 1, i32 4\\)"
    generic = r"\\1.was = atomicrmw sub ptr \\2, i64 1 seq_cst\\n\\1.last = icmp eq i64 \\1.was, 1\\n"
    generic += r"\\1 = zext i1 \\1.last to i8"
    code = re.sub("declare i8 @llvm.x86.atomic.*", "", re.sub(counted, generic, code))
    code = re.sub(r"%(\\d+)", r"%v\\1", code)  # unnamed values have to be numbered in order
    code = re.sub(r"^(\\d+):", r"v\\1:", code, flags=re.M)
    assert "llvm.x86" not in code
    module = binding.parse_assembly(code)
    module.triple, module.data_layout = triple, str(machine.target_data)
    assembly = machine.emit_assembly(module)
    print(assembly.count("fmla"), assembly.count("fmaf"))
"""


@pytest.mark.parametrize("name", long_memory.PROCESSORS)
def test_error_is_at_most_twice_that_of_a_float32_recurrence_at_every_length(name: str) -> None:
    if not long_memory.has(name):
        pytest.skip(f"this processor has no {name}")
    found = long_memory.measured(name)
    assert found["instruction set"] == name
    assert found["drift"] == 0.0
    above = {
        (length, quantity): (plain, ours)
        for length, row in found["errors"].items()
        for quantity, (plain, ours) in row.items()
        if not ours <= 2 * plain
    }
    assert above == {}


@pytest.mark.skipif(INSTRUCTION_SET.name == "other", reason="no generic code of a known kind to start from")
def test_the_kernels_compile_for_arm_with_fused_multiply_adds() -> None:
    lines = long_memory.run("-c", CROSS_COMPILE, processor="generic").split("\n")[:4]
    for fused, calls in (map(int, line.split()) for line in lines):
        assert fused > 10
        assert calls == 0
