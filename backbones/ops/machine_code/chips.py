"""Graphics processors that times are predicted for, and the rates at which their pipelines take instructions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """A GPU by its data sheet: clock in Hz, memory in bytes a second, lanes and programs of a multiprocessor."""

    architecture: int
    multiprocessors: int
    clock: float
    bandwidth: float
    lanes: int = 128
    programs: int = 32

    @property
    def schedulers(self) -> int:
        """Warp schedulers, four a multiprocessor."""
        return 4 * self.multiprocessors


# Boost clocks and bandwidths of the vendor's data sheets; lanes and programs of a multiprocessor from the CUDA C++
# programming guide, tables "throughput of native arithmetic instructions" and "technical specifications".
CHIPS = {
    "A100": Chip(80, 108, 1.41e9, 2.039e12, lanes=64),
    "RTX 3090": Chip(86, 82, 1.695e9, 0.936e12, programs=16),
    "RTX 4090": Chip(89, 128, 2.52e9, 1.008e12, programs=24),
    "H100": Chip(90, 132, 1.98e9, 3.35e12),
    "H200": Chip(90, 132, 1.98e9, 4.8e12),
    "B200": Chip(100, 148, 1.965e9, 8.0e12),
    "RTX 5090": Chip(120, 170, 2.407e9, 1.792e12, programs=24),
}

_SPECIAL = ("MUFU",)
_MEMORY = ("LDG", "STG", "LDL", "STL", "LDS", "STS", "LD.", "ST.", "SHFL", "LDSM", "STSM", "ATOM", "RED")
_MULTIPLY = ("FFMA", "FMUL", "FADD", "IMAD", "HFMA2", "HMUL2", "HADD2")
_PACKED = ("FFMA2", "FMUL2", "FADD2")  # two operations a lane in one instruction, from sm_100 on
_CONTROL = ("BRA", "EXIT", "BSSY", "BSYNC", "WARPSYNC", "NOP", "BAR", "LDC", "ULDC", "S2R", "CS2R", "S2UR", "MEMBAR")


def pipeline(name: str) -> str:
    """Return the pipeline of the instruction `name`: special, memory, multiply, uniform, control or logic."""
    for pipe, names in (
        ("special", _SPECIAL), ("memory", _MEMORY), ("multiply", _MULTIPLY), ("control", _CONTROL), ("uniform", ("U",)),
    ):  # fmt: skip
        if name.startswith(names):
            return pipe
    return "logic"


def cycles(counts: Mapping[str, float], chip: Chip) -> float:
    """Return the cycles for which one warp keeps its scheduler busy with so many instructions.

    A scheduler issues one instruction a cycle. Of a multiprocessor's lanes a quarter belongs to it: 4 for special
    functions, 8 for memory, 16 for integers, and for multiplications 16 or 32. A warp of 32 lanes so occupies a
    pipeline for 8, 4, 2 and 2 or 1 cycles; the busiest pipeline is the bound.
    """
    each = {"special": 8.0, "memory": 4.0, "logic": 2.0, "multiply": 128 / chip.lanes, "uniform": 2.0, "control": 1.0}
    busy = dict.fromkeys(each, 0.0)
    for name, count in counts.items():
        packed = 2 if name.startswith(_PACKED) else 1
        busy[pipeline(name)] += count * packed * each[pipeline(name)]
    return max(sum(counts.values()), *busy.values())
