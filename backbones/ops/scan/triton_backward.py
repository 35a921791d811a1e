"""Triton kernels of the selective scan, backward: one sweep over a chunk of steps, from the right.

With g_k the gradient with respect to the state h_k, and q_k = a_k g_k the part that it passes to the step before:

    g_k = C_k dy_k + q_{k+1},   dB_k = Σ_d g_k Δ u,   dC_k = Σ_d dy h_k,   du = Δ Σ_n g B + D dy,
    dΔ = u Σ_n g B + Σ_n g A a_k h_{k-1},   dA = Σ_k g Δ a_k h_{k-1},   a_k = exp(Δ A)

where dy has passed the gate. A comes multiplied by log2 e.
"""

from __future__ import annotations

import triton
import triton.language as tl

from backbones.ops.gpu.functions import (
    LN2,
    exp2,
    load_tiles,
    sample_and_step,
    sigmoid,
    step_size,
    store_tiles,
    visited,
    zeros,
)


@triton.jit
def _prepare(
    u, delta, z, dy, rows, steps, end, u_l, delta_l, z_l, dy_l, bias, cols, channels, planes,
    BLOCK: tl.constexpr, INTERVAL: tl.constexpr, SOFTPLUS: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_Z: tl.constexpr,
):  # fmt: skip
    """Write Δ, Δu and the gated dy of one interval, in float32, into the planes 0, 1, 2 of the scratch memory.

    This runs once, on whole tiles: in the sweeps every lane of a channel would repeat it.
    """
    mask = (steps < end)[:, None] & (cols < channels)[None, :]
    at = rows[:, None].to(tl.int64)
    col = cols[None, :]
    dt = step_size(tl.load(delta + at * delta_l + col, mask=mask, other=0.0), HAS_BIAS, SOFTPLUS, bias)
    dt = tl.where(mask, dt, 0.0)
    inner = tl.load(dy + at * dy_l + col, mask=mask, other=0.0).to(tl.float32)
    if HAS_Z:
        gate = tl.load(z + at * z_l + col, mask=mask, other=0.0).to(tl.float32)
        inner *= gate * sigmoid(gate)
    tile = tl.arange(0, INTERVAL)[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
    size = INTERVAL * BLOCK
    tl.store(planes + tile, dt)
    tl.store(planes + size + tile, dt * tl.load(u + at * u_l + col, mask=mask, other=0.0).to(tl.float32))
    tl.store(planes + 2 * size + tile, inner)


@triton.jit
def _finish(
    u, delta, z, dy, du, ddelta, dz, rows, steps, end, u_l, delta_l, z_l, dy_l, du_l,
    bias, skip, cols, channels, planes,
    BLOCK: tl.constexpr, INTERVAL: tl.constexpr, SOFTPLUS: tl.constexpr, HAS_BIAS: tl.constexpr,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr,
):  # fmt: skip
    """Write du, ddelta and dz of one interval from the sums in the planes; return its parts of dD and ddelta_bias."""
    mask = (steps < end)[:, None] & (cols < channels)[None, :]
    at = rows[:, None].to(tl.int64)
    col = cols[None, :]
    tile = tl.arange(0, INTERVAL)[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
    size = INTERVAL * BLOCK
    dt = tl.load(planes + tile)
    inner = tl.load(planes + 2 * size + tile)
    through_b = tl.load(planes + 3 * size + tile)
    through_a = tl.load(planes + 4 * size + tile)
    x = tl.load(u + at * u_l + col, mask=mask, other=0.0).to(tl.float32)
    to_u = dt * through_b
    if HAS_D:
        to_u += skip[None, :] * inner
    to_delta = x * through_b + through_a * LN2
    if SOFTPLUS:
        raw = tl.load(delta + at * delta_l + col, mask=mask, other=0.0).to(tl.float32)
        if HAS_BIAS:
            raw += bias
        to_delta *= sigmoid(raw)
    out = at * du_l + col
    tl.store(du + out, to_u.to(du.dtype.element_ty), mask=mask)
    tl.store(ddelta + out, to_delta.to(ddelta.dtype.element_ty), mask=mask)
    if HAS_Z:
        ungated = tl.load(planes + 5 * size + tile)
        if HAS_D:
            ungated += skip[None, :] * x
        gate = tl.load(z + at * z_l + col, mask=mask, other=0.0).to(tl.float32)
        s = sigmoid(gate)
        outer = tl.load(dy + at * dy_l + col, mask=mask, other=0.0).to(tl.float32)
        to_z = outer * ungated * s * (1.0 + gate * (1.0 - s))
        tl.store(dz + out, to_z.to(dz.dtype.element_ty), mask=mask)
    return tl.sum(inner * x, axis=0), tl.sum(tl.where(mask, to_delta, 0.0), axis=0)


@triton.jit
def _replay(rates, planes, checkpoints, h, B, B_l, order, start, end, opaque,
            N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr, STEPS: tl.constexpr,
            INTERVAL: tl.constexpr, HAS_ORDER: tl.constexpr):  # fmt: skip
    """Run an interval forward from its saved state; write the state before every STEPS-th step into scratch memory."""
    n = tl.arange(0, NP)
    block: tl.constexpr = G * W
    size: tl.constexpr = INTERVAL * block
    for sub in range(0, INTERVAL // STEPS):
        for g in tl.static_range(G):
            tile = opaque + n[:, None] * block + (g * W + tl.arange(0, W))[None, :]
            tl.store(checkpoints + sub * (NP * block) + tile, h[g])
        Bs = ()
        dts = ()
        dxs = ()
        for t in tl.static_range(STEPS):
            step = sub * STEPS + t
            row = visited(order, start + step, end, HAS_ORDER).to(tl.int64)
            Bs += (tl.load(B + row * B_l + n, mask=n < N, other=0.0),)
            for g in tl.static_range(G):
                at = step * block + g * W + tl.arange(0, W)
                dts += (tl.load(planes + at),)
                dxs += (tl.load(planes + size + at),)
        for t in tl.static_range(STEPS):
            b_t = Bs[t].to(tl.float32)[:, None]
            stepped = ()
            for g in tl.static_range(G):
                decay = exp2(dts[t * G + g][None, :] * rates[g])
                stepped += (decay * h[g] + dxs[t * G + g][None, :] * b_t,)
            h = stepped


@triton.jit
def _walk(
    rates, planes, checkpoints, q, to_A, B, C, B_l, C_l, order, dB, dC, start, sub, end, opaque,
    N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr, STEPS: tl.constexpr,
    INTERVAL: tl.constexpr, HAS_Z: tl.constexpr, HAS_ORDER: tl.constexpr,
):  # fmt: skip
    """Recompute STEPS steps from their checkpoint into registers and walk them back; return q and dA so far.

    Writes dB and dC of these steps, Σ_n g B into plane 3, Σ_n g A a h into plane 4 and C h into plane 5.
    """
    n = tl.arange(0, NP)
    lane = tl.arange(0, W)
    block: tl.constexpr = G * W
    size: tl.constexpr = INTERVAL * block
    before = ()
    for g in tl.static_range(G):
        tile = opaque + n[:, None] * block + (g * W + lane)[None, :]
        before += (tl.load(checkpoints + sub * (NP * block) + tile),)
    visits = ()
    Bs = ()
    Cs = ()
    dts = ()
    dxs = ()
    inners = ()
    for t in tl.static_range(STEPS):
        step = sub * STEPS + t
        visits += (visited(order, start + step, end, HAS_ORDER).to(tl.int64),)
        Bs += (tl.load(B + visits[t] * B_l + n, mask=n < N, other=0.0),)
        Cs += (tl.load(C + visits[t] * C_l + n, mask=n < N, other=0.0),)
        for g in tl.static_range(G):
            at = step * block + g * W + lane
            dts += (tl.load(planes + at),)
            dxs += (tl.load(planes + size + at),)
            inners += (tl.load(planes + 2 * size + at),)
    decays = ()
    for t in tl.static_range(STEPS):
        b_t = Bs[t].to(tl.float32)[:, None]
        c_t = Cs[t].to(tl.float32)[:, None]
        to_C = tl.zeros((NP, W), tl.float32)
        for g in tl.static_range(G):
            decays += (exp2(dts[t * G + g][None, :] * rates[g]),)
            h_t = decays[t * G + g] * before[t * G + g] + dxs[t * G + g][None, :] * b_t
            before += (h_t,)
            to_C += inners[t * G + g][None, :] * h_t
            if HAS_Z:
                at = (sub * STEPS + t) * block + g * W + lane
                tl.store(planes + 5 * size + at, tl.sum(h_t * c_t, axis=0))
        live = n < tl.where(start + sub * STEPS + t < end, N, 0)
        tl.store(dC + visits[t] * N + n, tl.sum(to_C, axis=1), mask=live)
    for t in tl.static_range(STEPS - 1, -1, -1):
        b_t = Bs[t].to(tl.float32)[:, None]
        c_t = Cs[t].to(tl.float32)[:, None]
        to_B = tl.zeros((NP, W), tl.float32)
        passed = ()
        added = ()
        for g in tl.static_range(G):
            grad = inners[t * G + g][None, :] * c_t + q[g]
            to_B += grad * dxs[t * G + g][None, :]
            passed += (decays[t * G + g] * grad,)
            along_rate = passed[g] * before[t * G + g]
            added += (to_A[g] + along_rate * dts[t * G + g][None, :],)
            at = (sub * STEPS + t) * block + g * W + lane
            tl.store(planes + 3 * size + at, tl.sum(grad * b_t, axis=0))
            tl.store(planes + 4 * size + at, tl.sum(along_rate * rates[g], axis=0))
        q = passed
        to_A = added
        live = n < tl.where(start + sub * STEPS + t < end, N, 0)
        tl.store(dB + visits[t] * N + n, tl.sum(to_B, axis=1), mask=live)
    return q, to_A


@triton.jit(do_not_specialize=["sequences", "length", "blocks", "chunk", "chunks", "intervals", "batch", "opaque"])
def sweep_back(
    u, delta, A, B, C, D, z, bias, order, dy, state, carry,
    du, ddelta, dz, dA, dB, dC, dD, dbias, scratch,
    u_b, u_l, delta_b, delta_l, B_b, B_l, C_b, C_l, z_b, z_l, dy_b, dy_l,
    sequences, length, channels, blocks, chunk, chunks, intervals, batch, opaque,
    N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr, STEPS: tl.constexpr,
    INTERVAL: tl.constexpr, CARRY: tl.constexpr, SOFTPLUS: tl.constexpr, HAS_BIAS: tl.constexpr,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr, HAS_ORDER: tl.constexpr,
):  # fmt: skip
    """Write all gradients of one chunk. Grid: batch × sequences × chunks × channel blocks.

    Interval by interval from the right: the saved state at its start is replayed into checkpoints every STEPS
    steps, then each STEPS steps are recomputed into registers and walked back. A thread holds N/4 states of G
    channels, so that the sums over states (du, dΔ) and over channels (dB, dC) both cost few shuffles.

    du, ddelta, dz: (batch, L, channels), contiguous, with L = sequences × length. dB, dC: (blocks, batch, L, N),
    dA: (batch × sequences, chunks, N, channels), dD, dbias: (batch × sequences, chunks, channels): partial sums,
    each written once, so that results repeat.
    """
    pid = tl.program_id(0)
    index = pid % blocks
    part = (pid // blocks) % chunks
    sequence = (pid // blocks // chunks).to(tl.int64)
    b, first_step = sample_and_step(pid // blocks // chunks, sequences, length)
    block: tl.constexpr = G * W
    size: tl.constexpr = INTERVAL * block
    first = index * block
    begin = first_step + part * chunk
    end = tl.minimum(begin + chunk, first_step + length)
    u += b * u_b
    delta += b * delta_b
    B += b * B_b
    C += b * C_b
    dy += b * dy_b
    if HAS_Z:
        z += b * z_b
        dz += b * sequences * length * channels
    du += b * sequences * length * channels
    ddelta += b * sequences * length * channels
    dB += (index * batch + b) * sequences * length * N
    dC += (index * batch + b) * sequences * length * N
    slot = (sequence * chunks + part) * channels
    planes = scratch + pid.to(tl.int64) * (6 * size + INTERVAL // STEPS * NP * block)
    checkpoints = planes + 6 * size
    cols = first + tl.arange(0, block)
    bias_row = tl.zeros((1, block), tl.float32)
    skip = tl.zeros((block,), tl.float32)
    if HAS_BIAS:
        bias_row = tl.load(bias + cols, mask=cols < channels, other=0.0).to(tl.float32)[None, :]
    if HAS_D:
        skip = tl.load(D + cols, mask=cols < channels, other=0.0).to(tl.float32)
    to_D = tl.zeros((block,), tl.float32)
    to_bias = tl.zeros((block,), tl.float32)

    rates = load_tiles(A, first, channels, opaque, N, NP, G, W)
    to_A = zeros(NP, G, W)
    if CARRY:
        q = load_tiles(carry + slot * N, first, channels, opaque, N, NP, G, W)
    else:
        q = zeros(NP, G, W)

    count = (end - begin + INTERVAL - 1) // INTERVAL
    for back in range(0, count):
        start = begin + (count - 1 - back) * INTERVAL
        steps = start + tl.arange(0, INTERVAL)
        rows = visited(order, steps, end, HAS_ORDER)
        _prepare(
            u, delta, z, dy, rows, steps, end, u_l, delta_l, z_l, dy_l, bias_row, cols, channels, planes,
            block, INTERVAL, SOFTPLUS, HAS_BIAS, HAS_Z,
        )  # fmt: skip
        tl.debug_barrier()  # other lanes read the scratch memory than those that wrote it
        saved = state + (sequence * intervals + (start - first_step) // INTERVAL) * N * channels
        h = load_tiles(saved, first, channels, opaque, N, NP, G, W)
        _replay(
            rates, planes, checkpoints, h, B, B_l, order, start, end, opaque,
            N, NP, G, W, STEPS, INTERVAL, HAS_ORDER,
        )  # fmt: skip
        tl.debug_barrier()

        for done in range(0, INTERVAL // STEPS):
            q, to_A = _walk(
                rates, planes, checkpoints, q, to_A, B, C, B_l, C_l, order, dB, dC,
                start, INTERVAL // STEPS - 1 - done, end, opaque,
                N, NP, G, W, STEPS, INTERVAL, HAS_Z, HAS_ORDER,
            )  # fmt: skip
        tl.debug_barrier()
        part_D, part_bias = _finish(
            u, delta, z, dy, du, ddelta, dz, rows, steps, end, u_l, delta_l, z_l, dy_l, channels,
            bias_row, skip, cols, channels, planes,
            block, INTERVAL, SOFTPLUS, HAS_BIAS, HAS_D, HAS_Z,
        )  # fmt: skip
        to_D += part_D
        to_bias += part_bias
        tl.debug_barrier()

    store_tiles(dA + slot * N, to_A, first, channels, opaque, N, NP, G, W)
    if HAS_D:
        tl.store(dD + slot + cols, to_D, mask=cols < channels)
    if HAS_BIAS:
        tl.store(dbias + slot + cols, to_bias, mask=cols < channels)
