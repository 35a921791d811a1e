"""Triton kernel of the selective scan's tangent: state and derivative side by side, in one walk over the sequence.

The equations are those of :mod:`backbones.ops.scan.cpu_tangent`. A program owns W channels of one sequence, which
is not cut into chunks: only training takes tangents, where batches fill the GPU.
"""

from __future__ import annotations

import triton
import triton.language as tl

from backbones.ops.gpu.functions import LN2, exp2, sample_and_step, sigmoid, softplus, visited
from backbones.ops.gpu.words import at_row


@triton.jit
def _channels(base, row, stride, c, channels):
    """Return the entries c of a row as float32; zeros past the last channel."""
    return tl.load(at_row(base, row, stride) + c, mask=c < channels, other=0.0).to(tl.float32)


@triton.jit
def _states(base, row, stride, n, N: tl.constexpr):
    """Return the states of a row as float32, (NP, 1); zeros past the last state."""
    return tl.load(at_row(base, row, stride) + n, mask=n < N, other=0.0).to(tl.float32)[:, None]


@triton.jit
def _vector(base, c, channels):
    """Return the entries c of a vector as float32; zeros past the last channel."""
    return tl.load(base + c, mask=c < channels, other=0.0).to(tl.float32)


@triton.jit
def _tile(base, n, c, channels, opaque, N: tl.constexpr):
    """Return the states n of the channels c of a float32 matrix (N, channels); zeros outside of it."""
    inside = (n < N)[:, None] & (c < channels)[None, :]
    return tl.load(base + (opaque + n[:, None] * channels + c[None, :]), mask=inside, other=0.0)


@triton.jit(do_not_specialize=["sequences", "length", "blocks", "opaque"])
def sweep_tangent(
    u, delta, A, B, C, D, z, bias, u_dot, delta_dot, A_dot, B_dot, C_dot, D_dot, z_dot, bias_dot, order, y_dot,
    u_b, u_l, delta_b, delta_l, B_b, B_l, C_b, C_l, z_b, z_l,
    u_dot_b, u_dot_l, delta_dot_b, delta_dot_l, B_dot_b, B_dot_l, C_dot_b, C_dot_l, z_dot_b, z_dot_l, y_b, y_l,
    sequences, length, channels, blocks, opaque,
    N: tl.constexpr, NP: tl.constexpr, W: tl.constexpr, SOFTPLUS: tl.constexpr, HAS_BIAS: tl.constexpr,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr, HAS_ORDER: tl.constexpr,
):  # fmt: skip
    """Write the tangent of y. Grid: batch × sequences × channel blocks; rates and their tangents times log2 e."""
    pid = tl.program_id(0)
    first = (pid % blocks) * W
    b, begin = sample_and_step(pid // blocks, sequences, length)
    u += b * u_b
    delta += b * delta_b
    B += b * B_b
    C += b * C_b
    u_dot += b * u_dot_b
    delta_dot += b * delta_dot_b
    B_dot += b * B_dot_b
    C_dot += b * C_dot_b
    y_dot += b * y_b
    if HAS_Z:
        z += b * z_b
        z_dot += b * z_dot_b
    c = first + tl.arange(0, W)
    n = tl.arange(0, NP)
    rates = _tile(A, n, c, channels, opaque, N)
    rates_dot = _tile(A_dot, n, c, channels, opaque, N)
    if HAS_BIAS:
        biases = _vector(bias, c, channels)
        biases_dot = _vector(bias_dot, c, channels)
    if HAS_D:
        skips = _vector(D, c, channels)
        skips_dot = _vector(D_dot, c, channels)
    h = tl.zeros((NP, W), tl.float32)
    h_dot = tl.zeros((NP, W), tl.float32)
    for step in range(begin, begin + length):
        row = visited(order, step, begin + length, HAS_ORDER)
        x = _channels(u, row, u_l, c, channels)
        x_dot = _channels(u_dot, row, u_dot_l, c, channels)
        dt = _channels(delta, row, delta_l, c, channels)
        dt_dot = _channels(delta_dot, row, delta_dot_l, c, channels)
        if HAS_BIAS:
            dt += biases
            dt_dot += biases_dot
        if SOFTPLUS:
            dt_dot *= sigmoid(dt)
            dt = softplus(dt)
        b_k = _states(B, row, B_l, n, N)
        c_k = _states(C, row, C_l, n, N)
        growth = LN2 * (dt_dot[None, :] * rates + dt[None, :] * rates_dot)
        h_dot = exp2(dt[None, :] * rates) * (h_dot + growth * h)
        h_dot += (dt_dot * x + dt * x_dot)[None, :] * b_k + (dt * x)[None, :] * _states(B_dot, row, B_dot_l, n, N)
        h = exp2(dt[None, :] * rates) * h + (dt * x)[None, :] * b_k
        y = tl.sum(c_k * h, axis=0)
        moved = tl.sum(c_k * h_dot + _states(C_dot, row, C_dot_l, n, N) * h, axis=0)
        if HAS_D:
            y += skips * x
            moved += skips_dot * x + skips * x_dot
        if HAS_Z:
            gate = _channels(z, row, z_l, c, channels)
            s = sigmoid(gate)
            gate_dot = _channels(z_dot, row, z_dot_l, c, channels)
            moved = s * (moved * gate + y * gate_dot * (1 + gate * (1 - s)))
        tl.store(at_row(y_dot, row, y_l) + c, moved.to(y_dot.dtype.element_ty), mask=c < channels)
