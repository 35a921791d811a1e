"""A time predicted from machine code: issue slots of the busiest scheduler, or bytes over bandwidth."""

from __future__ import annotations

from dataclasses import dataclass

from backbones.ops.gpu.cubin import resident_warps
from backbones.ops.machine_code.chips import CHIPS, cycles
from backbones.ops.machine_code.compilation import machine_code
from backbones.ops.machine_code.variants import Shape, Variant, per_step, variants


@dataclass(frozen=True)
class Prediction:
    """A reading of one kernel's machine code for one GPU, and a time predicted from it. Nothing is measured.

    Attributes:
        gpu, kernel, precision, order, gate: what was compiled, for which GPU.
        registers, stack: of a thread; the stack in bytes of local memory.
        resident: one-warp programs that a warp scheduler holds.
        instructions, special: instructions a state update in the main loop, and those of them for the
            special-function unit (MUFU). A convolution's count is a channel and step.
        moved: bytes between the chip and its memory.
        seconds: at full issue, without waiting for memory or for one another's results.
        bound: "instructions" or "memory", whichever takes longer.
    """

    gpu: str
    kernel: str
    precision: str
    order: bool
    gate: bool
    registers: int
    stack: int
    resident: int
    instructions: float
    special: float
    moved: int
    seconds: float
    bound: str


def predict(variant: Variant, gpu: str, precision: str, order: bool, gate: bool) -> Prediction:
    """Compile `variant` for `gpu` and return its prediction."""
    chip = CHIPS[gpu]
    code = machine_code(variant.kernel, variant.constants, chip.architecture, precision)
    counts = per_step(code.listing, variant)
    busiest = -(-variant.programs // chip.schedulers)
    issue = busiest * variant.steps * cycles(counts, chip) / chip.clock
    memory = variant.moved / chip.bandwidth
    return Prediction(
        gpu, variant.name, precision, order, gate, code.resources.registers, code.resources.stack,
        resident_warps(code.resources.registers, chip.programs), sum(counts.values()) / variant.updates,
        sum(count for name, count in counts.items() if name.startswith("MUFU")) / variant.updates,
        variant.moved, max(issue, memory), "instructions" if issue > memory else "memory",
    )  # fmt: skip


def predictions(
    shape: Shape, gpu: str, precisions: tuple[str, ...] = ("bfloat16",), every: bool = False, kernels: str = ""
) -> list[Prediction]:
    """Return the predictions of the kernels at `shape` on `gpu` whose names contain `kernels`.

    If `every`, without order and without gate too.
    """
    rows = []
    flags = [(True, True), (True, False), (False, True), (False, False)] if every else [(True, True)]
    for precision in precisions:
        for order, gate in flags:
            for variant in variants(shape, CHIPS[gpu], precision, order, gate):
                if kernels in variant.name:
                    rows.append(predict(variant, gpu, precision, order, gate))
    return rows
