"""Triton kernels of the selective scan, forward: one sweep over a chunk of steps.

A program owns one chunk of one sequence and G·W channels: W lanes, G channels a lane, all states of a channel
in one thread. It walks the steps in visiting order with the states in registers; A comes multiplied by log2 e.
"""

from __future__ import annotations

import triton
import triton.language as tl

from backbones.ops.gpu.functions import (
    exp2,
    load_rows,
    load_tiles,
    sample_and_step,
    sigmoid,
    softplus,
    store_tiles,
    visited,
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
    u, delta, B, C, z, rows, start, end, u_l, delta_l, B_l, C_l, z_l, first, channels,
    N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr, STEPS: tl.constexpr,
    LOCAL: tl.constexpr, HAS_Z: tl.constexpr,
):  # fmt: skip
    """Issue all loads of STEPS steps: they are independent, so one latency covers them."""
    n = tl.arange(0, NP)
    us = ()
    deltas = ()
    zs = ()
    Bs = ()
    Cs = ()
    for t in tl.static_range(STEPS):
        limit = tl.where(start + t < end, channels, 0)
        for g in tl.static_range(G):
            c = first + g * W + tl.arange(0, W)
            mask = c < limit
            us += (tl.load(u + rows[t] * u_l + c, mask=mask, other=0.0),)
            deltas += (tl.load(delta + rows[t] * delta_l + c, mask=mask, other=0.0),)
            if HAS_Z and not LOCAL:
                zs += (tl.load(z + rows[t] * z_l + c, mask=mask, other=0.0),)
        # Rows past the end are row 0 (`visited`): readable, and without effect since their Δ is 0.
        if N == NP:
            Bs += (tl.load(B + rows[t] * B_l + n),)
            if not LOCAL:
                Cs += (tl.load(C + rows[t] * C_l + n),)
        else:
            Bs += (tl.load(B + rows[t] * B_l + n, mask=n < N, other=0.0),)
            if not LOCAL:
                Cs += (tl.load(C + rows[t] * C_l + n, mask=n < N, other=0.0),)
    return us, deltas, zs, Bs, Cs


@triton.jit(do_not_specialize=["sequences", "length", "blocks", "chunk", "chunks", "slots", "intervals", "opaque"])
def sweep(
    u, delta, A, B, C, D, z, bias, order, y, carry, total, state,
    u_b, u_l, delta_b, delta_l, B_b, B_l, C_b, C_l, z_b, z_l, y_b, y_l,
    sequences, length, channels, blocks, chunk, chunks, slots, intervals, opaque,
    N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr, STEPS: tl.constexpr,
    INTERVAL: tl.constexpr, LOCAL: tl.constexpr, CARRY: tl.constexpr, SAVE: tl.constexpr,
    SOFTPLUS: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_D: tl.constexpr, HAS_Z: tl.constexpr,
    HAS_ORDER: tl.constexpr,
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

    rates = load_tiles(A, first, channels, opaque, N, NP, G, W)
    skips = ()
    biases = ()
    sums = ()
    if HAS_D and not LOCAL:
        skips = load_rows(D, first, channels, G, W)
    if HAS_BIAS:
        biases = load_rows(bias, first, channels, G, W)
    if CARRY:
        h = load_tiles(carry + slot * N, first, channels, opaque, N, NP, G, W)
    else:
        h = zeros(NP, G, W)
    if LOCAL:
        for _ in tl.static_range(G):
            sums += (tl.zeros((W,), tl.float32),)

    rows = _rows(order, begin, end, STEPS, HAS_ORDER)
    ahead = _rows(order, begin + STEPS, end, STEPS, HAS_ORDER)
    raw = _fetch(
        u, delta, B, C, z, rows, begin, end, u_l, delta_l, B_l, C_l, z_l, first, channels,
        N, NP, G, W, STEPS, LOCAL, HAS_Z,
    )  # fmt: skip
    for start in range(begin, end, STEPS):
        # The next steps' loads, and the row numbers of those after them, are in flight while these steps run.
        coming = _fetch(
            u, delta, B, C, z, ahead, start + STEPS, end, u_l, delta_l, B_l, C_l, z_l, first, channels,
            N, NP, G, W, STEPS, LOCAL, HAS_Z,
        )  # fmt: skip
        after = _rows(order, start + 2 * STEPS, end, STEPS, HAS_ORDER)
        if SAVE:  # noqa: SIM102 -- the compiler drops a branch only if its condition is all constexpr
            if (start - begin) % INTERVAL == 0:
                store_tiles(state, h, first, channels, opaque, N, NP, G, W)
                state += N * channels
        for t in tl.static_range(STEPS):
            live = start + t < end
            limit = tl.where(live, channels, 0)
            b_t = raw[3][t].to(tl.float32)[:, None]
            stepped = ()
            added = ()
            for g in tl.static_range(G):
                u_t = raw[0][t * G + g].to(tl.float32)
                dt = raw[1][t * G + g].to(tl.float32)
                if HAS_BIAS:
                    dt += biases[g]
                if SOFTPLUS:
                    dt = softplus(dt)
                dt = tl.where(live, dt, 0.0)
                stepped += (exp2(dt[None, :] * rates[g]) * h[g] + (dt * u_t)[None, :] * b_t,)
                if LOCAL:
                    added += (sums[g] + dt,)
                else:
                    y_t = tl.sum(stepped[g] * raw[4][t].to(tl.float32)[:, None], axis=0)
                    if HAS_D:
                        y_t += skips[g] * u_t
                    if HAS_Z:
                        z_t = raw[2][t * G + g].to(tl.float32)
                        y_t *= z_t * sigmoid(z_t)
                    c = first + g * W + tl.arange(0, W)
                    tl.store(y + rows[t] * y_l + c, y_t.to(y.dtype.element_ty), mask=c < limit)
            h = stepped
            sums = added
        rows = ahead
        ahead = after
        raw = coming

    if LOCAL:
        store_tiles(carry + slot * N, h, first, channels, opaque, N, NP, G, W)
        for g in tl.static_range(G):
            c = first + g * W + tl.arange(0, W)
            tl.store(total + slot + c, sums[g], mask=c < channels)
