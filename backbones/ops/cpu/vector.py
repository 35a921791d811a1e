"""Explicit SIMD for numba: one vector type, its arithmetic, and the functions the kernels need.

A `vector` holds LANES float32 values. LLVM splits it into whatever registers the machine has, so that the
kernels do not depend on what an auto-vectoriser recognises. Addresses are plain int64 byte addresses: the
callers in `scan/cpu.py` have checked every shape before one is formed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.extending import intrinsic, lower_builtin, register_model
from numba.core.typing.templates import AbstractTemplate, infer_global, signature

from backbones.ops.cpu.target import AVX512, INSTRUCTION_SET

LOG2_E = 1.4426950408889634
LN_2 = 0.6931471805599453

# exp2 is flushed to 2^-80 below: smaller factors vanish beside any float32 input, while
# products with true subnormals cost a microcode assist each.
EXP2_LOWEST = -80.0
EXP2_HIGHEST = 126.0
_ROUND = 12582912.0  # 1.5 * 2^23: adding it leaves the nearest integer in the low bits of the mantissa


LANES = INSTRUCTION_SET.lanes
BYTES = 4 * LANES


def _fit(function: Callable[[np.ndarray], np.ndarray], low: float, high: float, degree: int) -> list[float]:
    """Return the power-basis coefficients, lowest first, of the Chebyshev interpolant of `function` on [low, high]."""
    chebyshev = np.polynomial.Chebyshev.interpolate(function, degree, domain=[low, high])
    return [float(c) for c in chebyshev.convert(kind=np.polynomial.Polynomial).coef]


def _growth(x: np.ndarray) -> np.ndarray:
    """Return (2^x - 1) / x."""
    return np.where(x == 0.0, LN_2, np.expm1(LN_2 * x) / np.where(x == 0.0, 1.0, x))


# 2^x = 1 + x q(x), so that 2^0 is exactly 1. A scan multiplies as many of these factors as its memory is long, so it
# raises a systematic error of one to that power, while errors that are as often up as down grow with its square root
# only. Within half a unit, q minimises the largest error of 2^x over sqrt(|x|), twice that for x > 0, where no memory
# is left: 2.6e-9 at -0.01, 1.1e-7 at most. Within a 64th, it is Chebyshev's: 1.5e-10 at most.
_GROWTH = [0.6931469047, 0.2402229030, 0.0555084978, 0.00966924086, 0.00132276861]
_GROWTH_NEAR = _fit(_growth, -1 / 64, 1 / 64, 2)
_LOG1P = _fit(lambda e: np.log1p(e) / e, 0.0, 1.0, 9)  # relative error 3e-8

# 2^(i/32). With AVX-512 one look-up is shorter than three more terms.
_TABLE_BITS = 5
_TABLE = np.exp2(np.arange(32) / 32).astype(np.float32).tolist()

F32 = ir.FloatType()
_I1 = ir.IntType(1)
_I16 = ir.IntType(16)
I32 = ir.IntType(32)
_I64 = ir.IntType(64)


class _Vector(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"vector{LANES}")


vector = _Vector()


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: types.Type) -> None:
        super().__init__(manager, fe_type, of(F32))


def of(scalar: ir.Type) -> ir.VectorType:
    return ir.VectorType(scalar, LANES)


def _constant(value: float, scalar: ir.Type = F32) -> ir.Constant:
    if scalar is F32:
        value = float(np.float32(value))
    return ir.Constant(of(scalar), [value] * LANES)


def _call(builder: ir.IRBuilder, name: str, result: ir.Type, arguments: Sequence[ir.Value], **kw: Any) -> Any:
    kind = ir.FunctionType(result, [a.type for a in arguments])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, arguments, **kw)


def fma_of(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    """Return a b + c, rounded once where the processor has an instruction for it; LLVM would else call a function."""
    return _call(builder, f"llvm.fmuladd.v{a.type.count}f32", a.type, [a, b, c])


def _polynomial(builder: ir.IRBuilder, x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
    value: ir.Value = _constant(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        value = fma_of(builder, value, x, _constant(c))
    return value


def _power(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Return 2^x by its nearest integer, whose bits are added to the exponent, and the polynomial of the rest.

    Additions, not multiply-adds, split x: processors without AVX-512 often have units of their own for them.
    """
    shifted = builder.fadd(x, _constant(_ROUND))
    fraction = builder.fsub(x, builder.fsub(shifted, _constant(_ROUND)))
    mantissa = builder.bitcast(_polynomial(builder, fraction, [1.0, *_GROWTH]), of(I32))
    exponent = builder.shl(builder.bitcast(shifted, of(I32)), _constant(23, I32))
    return builder.bitcast(builder.add(mantissa, exponent), of(F32))


def _exp2(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    low = _constant(EXP2_LOWEST)
    return _power(builder, builder.select(builder.fcmp_ordered("<", x, low), low, x))  # a NaN passes


def _exp2_product(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    if INSTRUCTION_SET is not AVX512:
        return _power(builder, builder.fmul(a, b))
    offset = _constant(_ROUND / 2**_TABLE_BITS)
    shifted = fma_of(builder, a, b, offset)
    nearest = builder.fsub(shifted, offset)  # a multiple of 1/32
    fraction = fma_of(builder, a, b, builder.fneg(nearest))
    growth = builder.fmul(fraction, _polynomial(builder, fraction, _GROWTH_NEAR))
    parts = []
    for start in range(0, LANES, 16):
        index, power, rest = (_register(builder, x, start) for x in (shifted, nearest, growth))
        root = _look_up(builder, builder.bitcast(index, ir.VectorType(I32, 16)))
        parts.append(_scale(builder, fma_of(builder, root, rest, root), power))
    return _join(builder, parts)


def _look_up(builder: ir.IRBuilder, index: ir.Value) -> ir.Value:
    """Return the entries of _TABLE at the lowest five bits of each lane, by AVX-512's permutation of two registers."""
    register = ir.VectorType(F32, 16)
    halves = [ir.Constant(register, _TABLE[i : i + 16]) for i in (0, 16)]
    return _call(builder, "llvm.x86.avx512.vpermi2var.ps.512", register, [halves[0], index, halves[1]])


def _scale(builder: ir.IRBuilder, x: ir.Value, power: ir.Value) -> ir.Value:
    """Return x 2^floor(power), by AVX-512's instruction for it."""
    all_lanes, to_nearest = ir.Constant(_I16, -1), I32(4)
    arguments = [x, power, ir.Constant(x.type, ir.Undefined), all_lanes, to_nearest]
    return _call(builder, "llvm.x86.avx512.mask.scalef.ps.512", x.type, arguments)


def _register(builder: ir.IRBuilder, x: ir.Value, start: int) -> ir.Value:
    """Return sixteen lanes of x."""
    return builder.shuffle_vector(x, x, ir.Constant(ir.VectorType(I32, 16), list(range(start, start + 16))))


def _join(builder: ir.IRBuilder, parts: list[ir.Value]) -> ir.Value:
    """Join `parts`, a power of two of them, into one vector."""
    while len(parts) > 1:
        count = 2 * parts[0].type.count
        both = ir.Constant(ir.VectorType(I32, count), list(range(count)))
        parts = [builder.shuffle_vector(x, y, both) for x, y in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _decay(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Return exp(-|x|), at least 2^EXP2_LOWEST."""
    magnitude = _call(builder, f"llvm.fabs.v{LANES}f32", x.type, [x])
    limit = _constant(-EXP2_LOWEST / LOG2_E)
    magnitude = builder.select(builder.fcmp_ordered(">", magnitude, limit), limit, magnitude)  # a NaN passes
    return _exp2_product(builder, magnitude, _constant(-LOG2_E))


def pointer_to(builder: ir.IRBuilder, address: ir.Value, pointee: ir.Type) -> ir.Value:
    return builder.inttoptr(address, pointee.as_pointer())


def _splat(builder: ir.IRBuilder, scalar: ir.Value) -> ir.Value:
    undefined = ir.Constant(of(scalar.type), ir.Undefined)
    first = builder.insert_element(undefined, scalar, I32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(of(I32), [0] * LANES))


def _mask(builder: ir.IRBuilder, count: ir.Value) -> ir.Value:
    lanes = ir.Constant(of(_I64), list(range(LANES)))
    return builder.icmp_signed("<", lanes, _splat(builder, count))


def _widen(builder: ir.IRBuilder, bits: ir.Value) -> ir.Value:
    """Convert bfloat16 bits to float32: they are its upper half."""
    wide = builder.shl(builder.zext(bits, of(I32)), _constant(16, I32))
    return builder.bitcast(wide, of(F32))


def _narrow(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Round float32 to bfloat16 bits, to nearest even; a NaN stays a NaN."""
    bits = builder.bitcast(value, of(I32))
    odd = builder.and_(builder.lshr(bits, _constant(16, I32)), _constant(1, I32))
    rounded = builder.lshr(builder.add(bits, builder.add(odd, _constant(0x7FFF, I32))), _constant(16, I32))
    is_nan = builder.fcmp_unordered("uno", value, value)
    return builder.trunc(builder.select(is_nan, _constant(0x7FC0, I32), rounded), of(_I16))


def _unary(emit: Callable[[ir.IRBuilder, ir.Value], ir.Value], doc: str) -> Any:
    def typed(typingctx: Any, x: types.Type) -> Any:
        return vector(vector), lambda context, builder, sig, args: emit(builder, *args)

    typed.__doc__ = doc
    return intrinsic(typed)


def _operator(symbol: Callable[..., Any], method: str) -> None:
    class Template(AbstractTemplate):
        def generic(self, args: tuple[types.Type, ...], kws: dict[str, Any]) -> Any:
            return signature(vector, *args) if args == (vector, vector) else None

    infer_global(symbol)(Template)
    lower_builtin(symbol, vector, vector)(lambda context, builder, sig, args: getattr(builder, method)(*args))


for _symbol, _method in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_symbol, _method)

exp2 = _unary(_exp2, "2^x for x <= 126, relative error 1e-7; 2^-80 below -80.")
decay = _unary(_decay, "exp(-|x|).")
log1p_ratio = _unary(lambda b, x: _polynomial(b, x, _LOG1P), "log(1 + x) / x for x in [0, 1].")
positive = _unary(
    lambda b, x: b.select(b.fcmp_ordered("<", x, _constant(0.0)), _constant(0.0), x), "max(x, 0); NaN stays."
)


@intrinsic
def fma(typingctx: Any, a: types.Type, b: types.Type, c: types.Type) -> Any:
    """Return a * b + c, rounded once where the processor can."""
    return vector(vector, vector, vector), lambda context, builder, sig, args: fma_of(builder, *args)


@intrinsic
def exp2_product(typingctx: Any, a: types.Type, b: types.Type) -> Any:
    """Return 2^(a b) for -126 <= a b <= 126, relative error 1e-7; exactly 1 where a b is 0."""
    return vector(vector, vector), lambda context, builder, sig, args: _exp2_product(builder, *args)


@intrinsic
def any_above(typingctx: Any, x: types.Type, bound: types.Type) -> Any:
    """Return 1 if a lane of x exceeds that of `bound`; else 0. A NaN does not exceed."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        bits = builder.bitcast(builder.fcmp_ordered(">", *args), ir.IntType(LANES))
        return builder.zext(builder.icmp_unsigned("!=", bits, bits.type(0)), _I64)

    return types.int64(vector, vector), emit


@intrinsic
def where_negative(typingctx: Any, x: types.Type, a: types.Type, b: types.Type) -> Any:
    """Return a where x < 0, else b."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        return builder.select(builder.fcmp_ordered("<", args[0], _constant(0.0)), args[1], args[2])

    return vector(vector, vector, vector), emit


@intrinsic
def lower_bound(typingctx: Any, x: types.Type, bound: types.Type) -> Any:
    """Return max(x, bound); a NaN in x stays."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        return builder.select(builder.fcmp_ordered("<", *args), args[1], args[0])

    return vector(vector, vector), emit


@intrinsic
def fill(typingctx: Any, value: types.Type) -> Any:
    """Return a vector whose lanes all hold `value`."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        return _splat(builder, args[0])

    return vector(types.float32), emit


@intrinsic
def spread(typingctx: Any, address: types.Type) -> Any:
    """Return a vector whose lanes all hold the float32 at `address`."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        return _splat(builder, builder.load(pointer_to(builder, args[0], F32), align=4))

    return vector(types.int64), emit


@intrinsic
def load(typingctx: Any, address: types.Type) -> Any:
    """Return LANES float32 values at `address`."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        return builder.load(pointer_to(builder, args[0], of(F32)), align=4)

    return vector(types.int64), emit


@intrinsic
def store(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write LANES float32 values at `address`."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        builder.store(args[1], pointer_to(builder, args[0], of(F32)), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, vector), emit


@intrinsic
def load_row(typingctx: Any, address: types.Type, count: types.Type, half: types.Type) -> Any:
    """Return the first `count` values at `address` as float32, zeros after them; bfloat16 if `half`."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        address, count, half = args
        result = cgutils.alloca_once(builder, of(F32))
        full = builder.icmp_signed(">=", count, _I64(LANES))
        with builder.if_else(cgutils.is_not_null(builder, half)) as (narrow, wide):
            for scope, scalar in ((narrow, _I16), (wide, F32)):
                with scope:
                    bits = cgutils.alloca_once(builder, of(scalar))
                    pointer = pointer_to(builder, address, of(scalar))
                    with builder.if_else(full) as (whole, part):
                        with whole:
                            builder.store(builder.load(pointer, align=2), bits)
                        with part:
                            name = f"llvm.masked.load.v{LANES}{'i16' if scalar is _I16 else 'f32'}.p0"
                            zeros = ir.Constant(of(scalar), [0] * LANES)
                            values = _call(builder, name, of(scalar), [pointer, I32(2), _mask(builder, count), zeros])
                            builder.store(values, bits)
                    values = builder.load(bits)
                    builder.store(_widen(builder, values) if scalar is _I16 else values, result)
        return builder.load(result)

    return vector(types.int64, types.int64, types.int64), emit


@intrinsic
def store_row(typingctx: Any, address: types.Type, value: types.Type, count: types.Type, half: Any) -> Any:
    """Write the first `count` lanes at `address`, as float32, or rounded to bfloat16 if `half`."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        address, value, count, half = args
        full = builder.icmp_signed(">=", count, _I64(LANES))
        with builder.if_else(cgutils.is_not_null(builder, half)) as (narrow, wide):
            for scope, scalar in ((narrow, _I16), (wide, F32)):
                with scope:
                    pointer = pointer_to(builder, address, of(scalar))
                    bits = _narrow(builder, value) if scalar is _I16 else value
                    with builder.if_else(full) as (whole, part):
                        with whole:
                            builder.store(bits, pointer, align=2)
                        with part:
                            name = f"llvm.masked.store.v{LANES}{'i16' if scalar is _I16 else 'f32'}.p0"
                            masked = [bits, pointer, I32(2), _mask(builder, count)]
                            _call(builder, name, ir.VoidType(), masked)
        return context.get_dummy_value()

    return types.void(types.int64, vector, types.int64, types.int64), emit


def _scalar(kind: types.Type, width: ir.Type, align: int) -> Any:
    def typed(typingctx: Any, address: types.Type) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
            return builder.load(pointer_to(builder, args[0], width), align=align)

        return kind(types.int64), emit

    return intrinsic(typed)


load_float = _scalar(types.float32, F32, 4)
load_int = _scalar(types.int64, _I64, 8)


def _scalar_store(kind: types.Type, width: ir.Type, align: int) -> Any:
    def typed(typingctx: Any, address: types.Type, value: types.Type) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
            builder.store(args[1], pointer_to(builder, args[0], width), align=align)
            return context.get_dummy_value()

        return types.void(types.int64, kind), emit

    return intrinsic(typed)


store_float = _scalar_store(types.float32, F32, 4)
store_int = _scalar_store(types.int64, _I64, 8)


@intrinsic
def prefetch(typingctx: Any, address: types.Type) -> Any:
    """Prefetch the cache line at `address`; any address is harmless."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        pointer = pointer_to(builder, args[0], ir.IntType(8))
        _call(builder, "llvm.prefetch.p0", ir.VoidType(), [pointer, I32(0), I32(3), I32(1)])
        return context.get_dummy_value()

    return types.void(types.int64), emit


@intrinsic
def next_ticket(typingctx: Any, address: types.Type) -> Any:
    """Return the int64 at `address` and increment it, atomically."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Sequence[ir.Value]) -> ir.Value:
        return builder.atomic_rmw("add", pointer_to(builder, args[0], _I64), _I64(1), "monotonic")

    return types.int64(types.int64), emit
