"""The instruction set that numba compiles the kernels for, and the width of their vectors on it.

numba takes the processor that it runs on, or the one that ``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` name: so one
machine can run the code of older ones, as ``NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES=""`` does for AVX2.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import binding
from numba.core import config
from numba.core.codegen import get_host_cpu_features

_PROBE = """
target triple = "{triple}"
define <16 x i32> @probe(<16 x i32> %a, <16 x i32> %b) {{
  %c = add <16 x i32> %a, %b
  ret <16 x i32> %c
}}
"""


@dataclass(frozen=True)
class InstructionSet:
    """A kind of vector registers.

    Attributes:
        name: as its vendor writes it.
        width: float32 values in a register.
    """

    name: str
    width: int

    @property
    def lanes(self) -> int:
        """float32 values in a vector of the kernels: four registers, enough independent work to hide latency."""
        return 4 * self.width

    def __str__(self) -> str:
        return f"{self.name} ({self.width} floats)"


AVX512 = InstructionSet("AVX-512", 16)
AVX2 = InstructionSet("AVX2", 8)
SSE = InstructionSet("SSE", 4)
NEON = InstructionSet("NEON", 4)
OTHER = InstructionSet("other", 4)


def _detect() -> InstructionSet:
    """Return the widest set that LLVM uses for numba's processor, read off sixteen integer additions."""
    name = getattr(config, "CPU_NAME", None) or binding.get_host_cpu_name()
    chosen = getattr(config, "CPU_FEATURES", None)  # numba sets its variables as the module's attributes
    features = chosen if chosen is not None else get_host_cpu_features()
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_default_triple()
    machine = target.create_target_machine(cpu=name, features=features)
    assembly = machine.emit_assembly(binding.parse_assembly(_PROBE.format(triple=target.triple)))
    for mark, kind in (("zmm", AVX512), ("ymm", AVX2), ("xmm", SSE), (".4s", NEON)):
        if mark in assembly:
            return kind
    return OTHER


INSTRUCTION_SET = _detect()
