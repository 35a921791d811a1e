"""Sums over lanes, eight at once: the only place where the kernels add across channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.extending import intrinsic

from backbones.ops.cpu.vector import F32, I32, LANES, fma_of, pointer_to, vector

PARTIAL = 16  # lanes of a partial sum


def _pick(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, lanes: Sequence[int]) -> ir.Value:
    mask = ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes))
    return builder.shuffle_vector(a, b, mask)


def _merge(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, run: int) -> ir.Value:
    """Add the partial sums of a and b pairwise and concatenate the results; each sum has 2 × `run` partial ones."""
    starts = range(0, 16, 2 * run)
    low = [s + i for s in starts for i in range(run)]
    high = [s + run + i for s in starts for i in range(run)]
    return builder.fadd(*(_pick(builder, a, b, [*part, *(16 + i for i in part)]) for part in (low, high)))


@intrinsic
def store_dot(typingctx: Any, address: Any, a: Any, b: Any) -> Any:
    """Write sixteen partial sums of a b at `address`."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        address, *factors = args
        parts = [[_pick(builder, x, x, range(i, i + PARTIAL)) for x in factors] for i in range(0, LANES, PARTIAL)]
        total = builder.fmul(*parts[0])
        for a, b in parts[1:]:
            total = fma_of(builder, a, b, total)
        builder.store(total, pointer_to(builder, address, total.type), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, vector, vector), emit


@intrinsic
def add_sums(typingctx: Any, one: Any, other: Any, first: Any, second: Any) -> Any:
    """Add four sums to the float32 at `one`, four to those at `other`, in a fixed tree order.

    `first` and `second` are the addresses of four times sixteen partial sums each. Eight sums at once take 7
    merges where eight single ones take 32 half-empty steps.
    """

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        kind = ir.VectorType(F32, PARTIAL)
        parts = []
        for address in args[2:]:
            for i in range(4):
                at = builder.add(address, ir.Constant(address.type, 4 * PARTIAL * i))
                parts.append(builder.load(pointer_to(builder, at, kind), align=4))
        for run in (8, 4, 2):
            parts = [_merge(builder, x, y, run) for x, y in zip(parts[::2], parts[1::2], strict=True)]
        sums = _merge(builder, parts[0], parts[0], 1)
        for index, address in enumerate(args[:2]):
            four = _pick(builder, sums, sums, range(4 * index, 4 * index + 4))
            pointer = pointer_to(builder, address, four.type)
            builder.store(builder.fadd(builder.load(pointer, align=4), four), pointer, align=4)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), emit
