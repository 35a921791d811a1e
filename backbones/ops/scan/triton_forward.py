"""Triton kernels of the selective scan, forward: one sweep over a chunk of steps.

A program owns one chunk of one sequence and G·W channels: W columns of G channels, whose states lie in one thread
(in 32 / W of them where N exceeds 64). It walks the steps in visiting order with the states in registers; A comes
multiplied by log2 e.
"""

from __future__ import annotations

import triton
import triton.language as tl

from backbones.ops.gpu.functions import anew, exp2, sample_and_step, silu, softplus, visited
from backbones.ops.gpu.words import (
    as_channels,
    as_states,
    at_row,
    channel,
    load_channels,
    load_row,
    load_states,
    load_tiles,
    store_channels,
    store_tiles,
    zeros,
)


@triton.jit
def _rows(order, start, end, STEPS: tl.constexpr, HAS_ORDER: tl.constexpr):
    rows = ()
    for t in tl.static_range(STEPS):
        rows += (visited(order, start + t, end, HAS_ORDER),)
    return rows


@triton.jit
def _fetch(
    u, delta, B, C, z, rows, u_l, delta_l, B_l, C_l, z_l, first, channels,
    N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr, STEPS: tl.constexpr,
    LOCAL: tl.constexpr, HAS_Z: tl.constexpr, PAIRED: tl.constexpr, ALIGN: tl.constexpr,
):  # fmt: skip
    """Issue all loads of STEPS steps: they are independent, so one latency covers them.

    Rows past the end are row 0 (`visited`): readable, and without effect since their Δ becomes 0.
    """
    us = ()
    deltas = ()
    zs = ()
    Bs = ()
    Cs = ()
    for t in tl.static_range(STEPS):
        us += (load_channels(at_row(u, rows[t], u_l), first, channels, G, W, PAIRED),)
        deltas += (load_channels(at_row(delta, rows[t], delta_l), first, channels, G, W, PAIRED),)
        Bs += (load_states(at_row(B, rows[t], B_l), N, NP, ALIGN),)
        if HAS_Z and not LOCAL:
            zs += (load_channels(at_row(z, rows[t], z_l), first, channels, G, W, PAIRED),)
        if not LOCAL:
            Cs += (load_states(at_row(C, rows[t], C_l), N, NP, ALIGN),)
    return us, deltas, zs, Bs, Cs


@triton.jit
def _walk(
    u, delta, B, C, z, order, y, u_l, delta_l, B_l, C_l, z_l, y_l, rates, skips, biases, h, sums,
    begin, stop, end, first, channels,
    N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr, STEPS: tl.constexpr, LOCAL: tl.constexpr,
    SOFTPLUS: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_D: tl.constexpr, HAS_Z: tl.constexpr,
    HAS_ORDER: tl.constexpr, PAIRED: tl.constexpr, ALIGN: tl.constexpr,
):  # fmt: skip
    """Take the steps [begin, stop) of a chunk that ends at `end`; return the states and ΣΔ."""
    rows = _rows(order, begin, end, STEPS, HAS_ORDER)
    ahead = _rows(order, begin + STEPS, end, STEPS, HAS_ORDER)
    raw = _fetch(
        u, delta, B, C, z, rows, u_l, delta_l, B_l, C_l, z_l, first, channels,
        N, NP, G, W, STEPS, LOCAL, HAS_Z, PAIRED, ALIGN,
    )  # fmt: skip
    for start in range(begin, stop, STEPS):
        # The next steps' loads, and the row numbers of those after them, are in flight while these steps run.
        coming = _fetch(
            u, delta, B, C, z, ahead, u_l, delta_l, B_l, C_l, z_l, first, channels,
            N, NP, G, W, STEPS, LOCAL, HAS_Z, PAIRED, ALIGN,
        )  # fmt: skip
        after = _rows(order, start + 2 * STEPS, end, STEPS, HAS_ORDER)
        for t in tl.static_range(STEPS):
            us = as_channels(raw[0][t], u, G, PAIRED)
            deltas = as_channels(raw[1][t], delta, G, PAIRED)
            b = as_states(raw[3][t], B, ALIGN)
            stepped = ()
            added = ()
            ys = ()
            for g in tl.static_range(G):
                dt = deltas[g]
                if HAS_BIAS:
                    dt += biases[g]
                if SOFTPLUS:
                    dt = softplus(dt)
                if t > 0:  # a first step is never past the end
                    dt = tl.where(start + t < end, dt, 0.0)
                x = (dt * us[g])[None, :]
                for q in tl.static_range(4):
                    stepped += (exp2(dt[None, :] * rates[4 * g + q]) * h[4 * g + q] + x * b[q],)
                if LOCAL:
                    added += (sums[g] + dt,)
                else:
                    c = as_states(raw[4][t], C, ALIGN)
                    inner = stepped[4 * g] * c[0]
                    for q in tl.static_range(1, 4):
                        inner += stepped[4 * g + q] * c[q]
                    y_t = tl.sum(inner, axis=0)
                    if HAS_D:
                        y_t += skips[g] * us[g]
                    if HAS_Z:
                        y_t *= silu(as_channels(raw[2][t], z, G, PAIRED)[g])
                    ys += (y_t,)
            if not LOCAL:
                limit = channels
                if t > 0:
                    limit = tl.where(start + t < end, channels, 0)
                store_channels(at_row(y, rows[t], y_l), ys, first, limit, G, W, PAIRED)
            h = stepped
            sums = added
        rows = ahead
        ahead = after
        raw = coming
    return h, sums


@triton.jit(do_not_specialize=["sequences", "length", "blocks", "chunk", "chunks", "slots", "intervals", "opaque"])
def sweep(
    u, delta, A, B, C, D, z, bias, order, y, carry, total, state,
    u_b, u_l, delta_b, delta_l, B_b, B_l, C_b, C_l, z_b, z_l, y_b, y_l,
    sequences, length, channels, blocks, chunk, chunks, slots, intervals, opaque,
    N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr, STEPS: tl.constexpr,
    INTERVAL: tl.constexpr, LOCAL: tl.constexpr, CARRY: tl.constexpr, SAVE: tl.constexpr,
    SOFTPLUS: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_D: tl.constexpr, HAS_Z: tl.constexpr,
    HAS_ORDER: tl.constexpr, PAIRED: tl.constexpr, ALIGN: tl.constexpr,
):  # fmt: skip
    """Scan one chunk of steps. Grid: batch × sequences × chunks × channel blocks.

    A sample's rows are visited in `sequences` of `length` steps. LOCAL: start from zero; write the end state into
    `carry` and ΣΔ into `total`, (batch × sequences, slots, N, channels) and (batch × sequences, slots, channels);
    no y. Otherwise: start from `carry` if CARRY, else from zero; write y, and, if SAVE, the state before every
    INTERVAL-th step into `state` (batch × sequences, intervals, N, channels).
    """
    pid = tl.program_id(0)
    first = (pid % blocks) * (G * W)
    part = (pid // blocks) % chunks
    sequence = (pid // blocks // chunks).to(tl.int64)
    b, first_step = sample_and_step(pid // blocks // chunks, sequences, length)
    begin = first_step + part * chunk
    end = tl.minimum(begin + chunk, first_step + length)
    u += b * u_b
    delta += b * delta_b
    B += b * B_b
    slot = (sequence * slots + part) * channels
    if not LOCAL:
        C += b * C_b
        y += b * y_b
        state += (sequence * intervals + part * chunk // INTERVAL) * N * channels
    if HAS_Z and not LOCAL:
        z += b * z_b

    rates = load_tiles(A, first, channels, opaque, N, NP, G, W, PAIRED)
    skips = ()
    biases = ()
    sums = ()
    if HAS_D and not LOCAL:
        skips = load_row(D, first, channels, G, W)
    if HAS_BIAS:
        biases = load_row(bias, first, channels, G, W)
    if CARRY:
        h = load_tiles(carry + slot * N, first, channels, opaque, N, NP, G, W, PAIRED)
    else:
        h = zeros(NP, G, W)
    if LOCAL:
        for _ in tl.static_range(G):
            sums += (tl.zeros((W,), tl.float32),)

    if SAVE:
        for start in range(begin, end, INTERVAL):
            store_tiles(state, h, first, anew(channels), opaque, N, NP, G, W, PAIRED)
            state += N * channels
            h, sums = _walk(
                u, delta, B, C, z, order, y, u_l, delta_l, B_l, C_l, z_l, y_l,
                rates, skips, biases, h, sums,
                start, tl.minimum(start + INTERVAL, end), end, first, channels,
                N, NP, G, W, STEPS, LOCAL, SOFTPLUS, HAS_BIAS, HAS_D, HAS_Z, HAS_ORDER, PAIRED, ALIGN,
            )  # fmt: skip
    else:
        h, sums = _walk(
            u, delta, B, C, z, order, y, u_l, delta_l, B_l, C_l, z_l, y_l,
            rates, skips, biases, h, sums, begin, end, end, first, channels,
            N, NP, G, W, STEPS, LOCAL, SOFTPLUS, HAS_BIAS, HAS_D, HAS_Z, HAS_ORDER, PAIRED, ALIGN,
        )  # fmt: skip

    if LOCAL:
        store_tiles(carry + slot * N, h, first, anew(channels), opaque, N, NP, G, W, PAIRED)
        for g in tl.static_range(G):
            c = channel(first, g, G, W)
            tl.store(total + slot + c, sums[g], mask=c < channels)
