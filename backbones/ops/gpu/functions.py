"""Device functions that the Triton kernels of this package share.

Importing this module needs Triton, but no GPU. With ``TRITON_INTERPRET=1`` set before Triton is imported for
the first time, the same kernels run on CPU tensors, slowly, for tests.

Rules that hold in all kernels here, the first read off the machine code of Triton 3.6 and 3.9:

- A tile (states, channels) gets one channel a lane and its states in registers, so that the sum over the
  states stays within the thread, if its loads are contiguous along the channels but not known to be aligned.
  Hence the argument `opaque`: a zero that the compiler may not know, added to the address of such tiles. With
  aligned wide loads a thread would hold several channels and few states, and each step would pay for shuffles
  or for a trip through shared memory.
- Sizes other than the number of channels are not specialised on: a new length or batch size compiles nothing.
- One warp a program: no barrier is ever waited for, and the warps of a multiprocessor drift apart, so that
  the special-function unit always has work from one of them.
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra import libdevice

# Triton decides at its own first import whether its library functions are compiled or interpreted.
INTERPRETED = not isinstance(tl.sum, triton.runtime.JITFunction)

LOG2E = tl.constexpr(1.4426950408889634)
LN2 = tl.constexpr(0.6931471805599453)

if INTERPRETED:

    @triton.jit
    def exp2(x):
        """Return 2 to the power x."""
        return tl.exp2(x)

    @triton.jit
    def divide(a, b):
        """Return a / b."""
        return a / b

    @triton.jit
    def anew(x):
        """Return x."""
        return x

else:

    @triton.jit
    def exp2(x):
        """Return 2 to the power x in one instruction; `tl.exp2` spends three more on denormal results."""
        return libdevice.exp2(x)

    @triton.jit
    def divide(a, b):
        """Return a / b in two instructions, two units in the last place; 0 where b exceeds 2^126."""
        return libdevice.fast_dividef(a, b)

    @triton.jit
    def anew(x):
        """Return the 32-bit number x as one that the compiler does not know: what follows from it is computed here.

        Addresses that only stand behind or around a loop would be computed before it, and take registers within.
        """
        return tl.inline_asm_elementwise("mov.b32 $0, $1;", "=r,r", [x], dtype=tl.int32, is_pure=False, pack=1)


@triton.jit
def softplus(x):
    """Return log(1 + exp(x)) without a logarithm, relative error below 2e-7 even where the result is tiny.

    It is max(x, 0) + e P(e) with e = exp(-|x|) in (0, 1]; P interpolates log1p(e) / e at the ten Chebyshev
    nodes of [0, 1].
    """
    e = exp2(tl.abs(x) * -LOG2E)
    p = e * -0.00317605701 + 0.0195425265
    p = p * e - 0.0563736111
    p = p * e + 0.105436236
    p = p * e - 0.152696669
    p = p * e + 0.196632743
    p = p * e - 0.249516159
    p = p * e + 0.333297104
    p = p * e - 0.499998927
    p = p * e + 1.0
    return tl.maximum(x, 0.0) + p * e


@triton.jit
def sigmoid(x):
    """Return 1 / (1 + exp(-x))."""
    e = exp2(x * -LOG2E)
    return divide(tl.full(e.shape, 1.0, tl.float32), 1.0 + e)


@triton.jit
def silu(x):
    """Return x / (1 + exp(-x))."""
    return divide(x, 1.0 + exp2(x * -LOG2E))


@triton.jit
def step_size(raw, HAS_BIAS: tl.constexpr, SOFTPLUS: tl.constexpr, bias):
    """Return Δ in float32: softplus(raw + bias), each where it is switched on."""
    x = raw.to(tl.float32)
    if HAS_BIAS:
        x += bias
    if SOFTPLUS:
        return softplus(x)
    else:
        return x


@triton.jit
def visited(order, step, end, HAS_ORDER: tl.constexpr):
    """Return the row visited at `step`, int32; row 0 past the end, where callers mask.

    Of each entry of the order the lower half is read: a row times a stride is then one multiplication, `at_row`.
    """
    if HAS_ORDER:
        return tl.load(order.to(tl.pointer_type(tl.int32)) + 2 * step, mask=step < end, other=0)
    else:
        return tl.where(step < end, step, 0)


@triton.jit
def sample_and_step(sequence, sequences, length):
    """Return the sample (int64) of a sequence, and its first step in the sample, which has `sequences` of them."""
    return (sequence // sequences).to(tl.int64), sequence % sequences * length
