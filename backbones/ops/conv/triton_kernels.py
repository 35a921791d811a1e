"""Triton kernels of the causal depthwise convolution along a visiting order, with SiLU fused.

A program owns BLOCK channels and a chunk of steps. It keeps the rows that the taps reach in registers, so a
row is read once, and reads the WIDTH - 1 rows before its chunk again.
"""

from __future__ import annotations

import triton
import triton.language as tl

from backbones.ops.gpu.functions import sample_and_step, sigmoid, visited
from backbones.ops.gpu.words import at_row


@triton.jit
def _row(x, order, x_l, step, start, end, c, channels, HAS_ORDER: tl.constexpr):
    """Return x at `step` in float32, zero outside [start, end)."""
    known = (step >= start) & (step < end)
    row = visited(order, tl.maximum(step, 0), end, HAS_ORDER)
    return tl.load(at_row(x, row, x_l) + c, mask=c < tl.where(known, channels, 0), other=0.0).to(tl.float32)


@triton.jit
def _taps(weight, w_c, w_i, c, channels, WIDTH: tl.constexpr):
    taps = ()
    for i in tl.static_range(WIDTH):
        taps += (tl.load(weight + c * w_c + i * w_i, mask=c < channels, other=0.0).to(tl.float32),)
    return taps


@triton.jit(do_not_specialize=["sequences", "length", "blocks", "chunk", "chunks"])
def forward(
    x, weight, bias, order, y, x_b, x_l, w_c, w_i, sequences, length, channels, blocks, chunk, chunks,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, STEPS: tl.constexpr, SILU: tl.constexpr,
    HAS_BIAS: tl.constexpr, HAS_ORDER: tl.constexpr,
):  # fmt: skip
    """Write y[order[k]] = silu(bias + Σ_i weight[:, i] x[order[k - WIDTH + 1 + i]]); steps before the first are zeros.

    Grid: batch × sequences × chunks × blocks.
    """
    pid = tl.program_id(0)
    c = (pid % blocks) * BLOCK + tl.arange(0, BLOCK)
    b, first = sample_and_step(pid // blocks // chunks, sequences, length)
    last = first + length
    begin = first + (pid // blocks) % chunks * chunk
    end = tl.minimum(begin + chunk, last)
    x += b * x_b
    y += b * sequences * length * channels
    taps = _taps(weight, w_c, w_i, c, channels, WIDTH)
    base = tl.zeros((BLOCK,), tl.float32)
    if HAS_BIAS:
        base = tl.load(bias + c, mask=c < channels, other=0.0).to(tl.float32)
    window = ()
    for i in tl.static_range(WIDTH - 1):
        window += (_row(x, order, x_l, begin - (WIDTH - 1) + i, first, last, c, channels, HAS_ORDER),)
    for start in range(begin, end, STEPS):
        for t in tl.static_range(STEPS):
            window += (_row(x, order, x_l, start + t, first, last, c, channels, HAS_ORDER),)
        for t in tl.static_range(STEPS):
            p = base
            for i in tl.static_range(WIDTH):
                p += taps[i] * window[t + i]
            if SILU:
                p *= sigmoid(p)
            row = visited(order, start + t, end, HAS_ORDER)
            mask = c < tl.where(start + t < end, channels, 0)
            tl.store(at_row(y, row, channels) + c, p.to(y.dtype.element_ty), mask=mask)
        tail = ()
        for i in tl.static_range(WIDTH - 1):
            tail += (window[STEPS + i],)
        window = tail


@triton.jit(do_not_specialize=["sequences", "length", "blocks", "chunk", "chunks"])
def backward(
    dy, x, weight, bias, order, dx, sums, dy_b, dy_l, x_b, x_l, w_c, w_i,
    sequences, length, channels, blocks, chunk, chunks,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, STEPS: tl.constexpr, SILU: tl.constexpr,
    HAS_BIAS: tl.constexpr, HAS_ORDER: tl.constexpr,
):  # fmt: skip
    """Write dx of one chunk, and its parts of dweight, dbias: sums (batch × sequences × chunks, WIDTH + 1, channels).

    With dp the gradient before the activation: dx_j = Σ_i weight_i dp_{j + WIDTH - 1 - i}, so the walk goes on
    WIDTH - 1 steps into the next chunk; dweight_i = Σ_k dp_k x_{k - WIDTH + 1 + i} over the chunk's own steps.
    """
    pid = tl.program_id(0)
    c = (pid % blocks) * BLOCK + tl.arange(0, BLOCK)
    part = pid // blocks
    b, first = sample_and_step(part // chunks, sequences, length)
    last = first + length
    begin = first + part % chunks * chunk
    end = tl.minimum(begin + chunk, last)
    dy += b * dy_b
    x += b * x_b
    dx += b * sequences * length * channels
    taps = _taps(weight, w_c, w_i, c, channels, WIDTH)
    base = tl.zeros((BLOCK,), tl.float32)
    if HAS_BIAS:
        base = tl.load(bias + c, mask=c < channels, other=0.0).to(tl.float32)
    window = ()
    slopes = ()
    totals = ()
    to_bias = tl.zeros((BLOCK,), tl.float32)
    for i in tl.static_range(WIDTH - 1):
        window += (_row(x, order, x_l, begin - (WIDTH - 1) + i, first, last, c, channels, HAS_ORDER),)
        slopes += (tl.zeros((BLOCK,), tl.float32),)
    for _ in tl.static_range(WIDTH):
        totals += (tl.zeros((BLOCK,), tl.float32),)
    for start in range(begin, end + WIDTH - 1, STEPS):
        for t in tl.static_range(STEPS):
            window += (_row(x, order, x_l, start + t, first, last, c, channels, HAS_ORDER),)
            slopes += (_row(dy, order, dy_l, start + t, first, last, c, channels, HAS_ORDER),)
        for t in tl.static_range(STEPS):
            grad = slopes[WIDTH - 1]
            if SILU:
                p = base
                for i in tl.static_range(WIDTH):
                    p += taps[i] * window[t + i]
                s = sigmoid(p)
                grad *= s * (1.0 + p * (1.0 - s))
            own = tl.where(start + t < end, grad, 0.0)
            to_bias += own
            summed = ()
            for i in tl.static_range(WIDTH):
                summed += (totals[i] + own * window[t + i],)
            totals = summed
            # The oldest WIDTH slopes are now dp_{k - WIDTH + 1} … dp_k, and the rest still raw dy.
            to_x = grad * taps[0]
            for i in tl.static_range(1, WIDTH):
                to_x += slopes[WIDTH - 1 - i] * taps[i]
            j = start + t - (WIDTH - 1)
            row = visited(order, tl.maximum(j, 0), end, HAS_ORDER)
            mask = c < tl.where((j >= begin) & (j < end), channels, 0)
            tl.store(at_row(dx, row, channels) + c, to_x.to(dx.dtype.element_ty), mask=mask)
            moved = ()
            for i in tl.static_range(1, WIDTH - 1):
                moved += (slopes[i],)
            if WIDTH > 1:
                moved += (grad,)
            for i in tl.static_range(WIDTH, WIDTH + STEPS - 1 - t):
                moved += (slopes[i],)
            slopes = moved
        tail = ()
        for i in tl.static_range(WIDTH - 1):
            tail += (window[STEPS + i],)
        window = tail
    out = sums + part.to(tl.int64) * (WIDTH + 1) * channels + c
    for i in tl.static_range(WIDTH):
        tl.store(out + i * channels, totals[i], mask=c < channels)
    tl.store(out + WIDTH * channels, to_bias, mask=c < channels)
