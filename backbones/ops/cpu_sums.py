"""Eight sums over lanes at once: the only place where the kernels add across channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.extending import intrinsic

from backbones.ops.cpu_vector import I32, LANES, pointer_to, vector


def _fold(builder: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    """The upper half of the lanes added onto the lower, until 16 are left."""
    while lanes > 16:
        lanes //= 2
        halves = [_pick(builder, value, value, range(i * lanes, (i + 1) * lanes)) for i in (0, 1)]
        value = builder.fadd(*halves)
    return value


def _pick(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, lanes: Sequence[int]) -> ir.Value:
    mask = ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes))
    return builder.shuffle_vector(a, b, mask)


def _merge(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, run: int) -> ir.Value:
    """Halve the partial sums of a and b and lay them side by side; `run` of them belong together."""
    starts = range(0, 16, 2 * run)
    low = [s + i for s in starts for i in range(run)]
    high = [s + run + i for s in starts for i in range(run)]
    return builder.fadd(*(_pick(builder, a, b, [*part, *(16 + i for i in part)]) for part in (low, high)))


@intrinsic
def add_sums(
    typingctx: Any, one: Any, other: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any
) -> Any:
    """Add Σ a … Σ d to the four float32 at `one`, Σ e … Σ h to those at `other`, in a fixed tree order.

    Eight sums at once take 7 merges where eight single ones take 32 half-empty steps.
    """

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        parts = [_fold(builder, value, LANES) for value in args[2:]]
        for run in (8, 4, 2):
            parts = [_merge(builder, x, y, run) for x, y in zip(parts[::2], parts[1::2], strict=True)]
        sums = _merge(builder, parts[0], parts[0], 1)
        for index, address in enumerate(args[:2]):
            four = _pick(builder, sums, sums, range(4 * index, 4 * index + 4))
            pointer = pointer_to(builder, address, four.type)
            builder.store(builder.fadd(builder.load(pointer, align=4), four), pointer, align=4)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, *[vector] * 8), emit
