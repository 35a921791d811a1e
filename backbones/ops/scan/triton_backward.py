"""Triton kernels of the selective scan, backward: one sweep over a chunk of steps, from the right.

With g_k the gradient with respect to the state h_k, and q_k = a_k g_k the part that it passes to the step before:

    g_k = C_k dy_k + q_{k+1},   dB_k = Σ_d g_k Δ u,   dC_k = Σ_d dy h_k,   du = Δ Σ_n g B + D dy,
    dΔ = u Σ_n g B + Σ_n g A a_k h_{k-1},   dA = Σ_k g Δ a_k h_{k-1},   a_k = exp(Δ A)

where dy has passed the gate. A comes multiplied by log2 e.
"""

from __future__ import annotations

import triton
import triton.language as tl

from backbones.ops.gpu.functions import LN2, anew, exp2, sample_and_step, sigmoid, silu, step_size, visited
from backbones.ops.gpu.lanes import (
    load_own,
    over_channels,
    places_of_states,
    row_of_channels,
    store_over_states,
    store_own,
    summed,
)
from backbones.ops.gpu.words import as_states, at_row, load_states, load_tiles, store_tiles, zeros


@triton.jit
def _tile_of(row, cols, channels, ROWS: tl.constexpr, PRESENT: tl.constexpr):
    """Return ROWS copies of a vector over channels, read anew: kept, it would take registers from the states."""
    if PRESENT:
        c = tl.broadcast_to(cols[None, :], (ROWS, cols.shape[0]))
        return tl.load(row + c, mask=c < channels, other=0.0).to(tl.float32)
    else:
        return 0.0


@triton.jit
def _prepare(
    u, delta, B, C, z, dy, rows, steps, end, u_l, delta_l, B_l, C_l, z_l, dy_l, bias, cols, channels, planes,
    states, opaque, N: tl.constexpr, NP: tl.constexpr,
    BLOCK: tl.constexpr, INTERVAL: tl.constexpr, ROWS: tl.constexpr, SOFTPLUS: tl.constexpr,
    HAS_BIAS: tl.constexpr, HAS_Z: tl.constexpr,
):  # fmt: skip
    """Write Δ, Δu and the gated dy of ROWS steps, in float32, into the planes 0, 1, 2 of the scratch memory.

    B and C follow one another into `states`. This runs once, on tiles (steps, channels): in the sweeps every lane of a
    channel would repeat it, and look up the rows' addresses again.
    """
    mask = (steps < end)[:, None] & (cols < channels)[None, :]
    col = cols[None, :]
    raw = tl.load(at_row(delta, rows[:, None], delta_l) + col, mask=mask, other=0.0)
    dt = step_size(raw, HAS_BIAS, SOFTPLUS, _tile_of(bias, cols, channels, ROWS, HAS_BIAS))
    dt = tl.where(mask, dt, 0.0)
    inner = tl.load(at_row(dy, rows[:, None], dy_l) + col, mask=mask, other=0.0).to(tl.float32)
    if HAS_Z:
        gate = tl.load(at_row(z, rows[:, None], z_l) + col, mask=mask, other=0.0).to(tl.float32)
        inner *= silu(gate)
    tile = tl.arange(0, ROWS)[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
    size = INTERVAL * BLOCK
    tl.store(planes + tile, dt)
    x = tl.load(at_row(u, rows[:, None], u_l) + col, mask=mask, other=0.0).to(tl.float32)
    tl.store(planes + size + tile, dt * x)
    tl.store(planes + 2 * size + tile, inner)
    own = tl.arange(0, ROWS)[:, None] * NP + tl.arange(0, NP)[None, :]
    n = 4 * opaque + tl.arange(0, NP)[None, :]
    tl.store(states + own, tl.load(at_row(B, rows[:, None], B_l) + n, mask=n < N, other=0.0).to(tl.float32))
    own += INTERVAL * NP
    tl.store(states + own, tl.load(at_row(C, rows[:, None], C_l) + n, mask=n < N, other=0.0).to(tl.float32))


@triton.jit
def _finish(
    u, delta, z, dy, du, ddelta, dz, rows, steps, end, u_l, delta_l, z_l, dy_l, du_l,
    bias, D, cols, channels, planes, sums, fresh,
    BLOCK: tl.constexpr, INTERVAL: tl.constexpr, ROWS: tl.constexpr, SOFTPLUS: tl.constexpr, HAS_BIAS: tl.constexpr,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr,
):  # fmt: skip
    """Write du, ddelta and dz of ROWS steps from the sums in the planes, and add to the sums of dD and ddelta_bias.

    These are tiles (ROWS, BLOCK) in scratch memory; `fresh` is ROWS · BLOCK where they are not yet written, else 0.
    """
    mask = (steps < end)[:, None] & (cols < channels)[None, :]
    col = cols[None, :]
    tile = tl.arange(0, ROWS)[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
    size = INTERVAL * BLOCK
    dt = tl.load(planes + tile)
    inner = tl.load(planes + 2 * size + tile)
    through_b = tl.load(planes + 3 * size + tile)
    through_a = tl.load(planes + 4 * size + tile)
    x = tl.load(at_row(u, rows[:, None], u_l) + col, mask=mask, other=0.0).to(tl.float32)
    to_u = dt * through_b
    skip = _tile_of(D, cols, channels, ROWS, HAS_D)
    if HAS_D:
        to_u += skip * inner
    to_delta = x * through_b + through_a * LN2
    if SOFTPLUS:
        raw = tl.load(at_row(delta, rows[:, None], delta_l) + col, mask=mask, other=0.0).to(tl.float32)
        if HAS_BIAS:
            raw += _tile_of(bias, cols, channels, ROWS, HAS_BIAS)
        to_delta *= sigmoid(raw)
    tl.store(at_row(du, rows[:, None], du_l) + col, to_u.to(du.dtype.element_ty), mask=mask)
    tl.store(at_row(ddelta, rows[:, None], du_l) + col, to_delta.to(ddelta.dtype.element_ty), mask=mask)
    if HAS_Z:
        ungated = tl.load(planes + 5 * size + tile)
        if HAS_D:
            ungated += skip * x
        gate = tl.load(at_row(z, rows[:, None], z_l) + col, mask=mask, other=0.0).to(tl.float32)
        s = sigmoid(gate)
        outer = tl.load(at_row(dy, rows[:, None], dy_l) + col, mask=mask, other=0.0).to(tl.float32)
        to_z = outer * ungated * s * (1.0 + gate * (1.0 - s))
        tl.store(at_row(dz, rows[:, None], du_l) + col, to_z.to(dz.dtype.element_ty), mask=mask)
    part = tl.arange(0, ROWS)[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
    if HAS_D:
        tl.store(sums + part, tl.load(sums + part, mask=part >= fresh, other=0.0) + inner * x)
    if HAS_BIAS:
        own = tl.where(mask, to_delta, 0.0)
        tl.store(sums + ROWS * BLOCK + part, tl.load(sums + ROWS * BLOCK + part, mask=part >= fresh, other=0.0) + own)


@triton.jit
def _replay(
    rates, planes, rows, checkpoints, h,
    NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr, STEPS: tl.constexpr, INTERVAL: tl.constexpr,
):  # fmt: skip
    """Run an interval forward from its saved state; write the state before every STEPS-th step into scratch memory."""
    block: tl.constexpr = G * W
    size: tl.constexpr = INTERVAL * block
    for sub in tl.range(0, INTERVAL // STEPS, loop_unroll_factor=2):
        store_own(checkpoints + sub * (NP * block), h, 4 * G)
        at = planes + sub * (STEPS * block)
        Bs = ()
        dts = ()
        dxs = ()
        for t in tl.static_range(STEPS):
            Bs += (load_states(rows + (sub * STEPS + t) * NP, NP, NP, 8),)
            dts += (row_of_channels(at + t * block, G, W),)
            dxs += (row_of_channels(at + (size + t * block), G, W),)
        for t in tl.static_range(STEPS):
            b = as_states(Bs[t], rows, 8)
            stepped = ()
            for g in tl.static_range(G):
                for s in tl.static_range(4):
                    stepped += (exp2(dts[t][g] * rates[4 * g + s]) * h[4 * g + s] + dxs[t][g] * b[s],)
            h = stepped


@triton.jit
def _walk(
    rates, planes, rows, checkpoints, q, to_A, dB, dC, start, sub, end,
    N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr, STEPS: tl.constexpr,
    INTERVAL: tl.constexpr, HAS_Z: tl.constexpr,
):  # fmt: skip
    """Recompute STEPS steps from their checkpoint into registers and walk them back; return q and dA so far.

    Writes dB and dC of these steps, Σ_n g B into plane 3, Σ_n g A a h into plane 4 and C h into plane 5.
    """
    block: tl.constexpr = G * W
    size: tl.constexpr = INTERVAL * block
    before = load_own(checkpoints + sub * (NP * block), 4 * G)
    dts = ()
    dxs = ()
    inners = ()
    at = planes + sub * (STEPS * block)
    for t in tl.static_range(STEPS):
        dts += (row_of_channels(at + t * block, G, W),)
        dxs += (row_of_channels(at + (size + t * block), G, W),)
        inners += (row_of_channels(at + (2 * size + t * block), G, W),)
    decays = ()
    to_Cs = ()
    for t in tl.static_range(STEPS):
        b = as_states(load_states(rows + (sub * STEPS + t) * NP, NP, NP, 8), rows, 8)
        c = as_states(load_states(rows + (INTERVAL + sub * STEPS + t) * NP, NP, NP, 8), rows, 8)
        to_C = zeros(NP, 1, W)
        through_c = ()
        for g in tl.static_range(G):
            added = ()
            output = tl.zeros((NP // 4, W), tl.float32)
            for s in tl.static_range(4):
                decay = exp2(dts[t][g] * rates[4 * g + s])
                state = decay * before[4 * (t * G + g) + s] + dxs[t][g] * b[s]
                decays += (decay,)
                before += (state,)
                added += (to_C[s] + inners[t][g] * state,)
                output += state * c[s]
            to_C = added
            through_c += (output,)
        if HAS_Z:
            store_over_states(at + (5 * size + t * block), through_c, NP, G, W)
        to_Cs += (over_channels(to_C, NP, W),)
    for t in tl.static_range(STEPS - 1, -1, -1):
        b = as_states(load_states(rows + (sub * STEPS + t) * NP, NP, NP, 8), rows, 8)
        c = as_states(load_states(rows + (INTERVAL + sub * STEPS + t) * NP, NP, NP, 8), rows, 8)
        if t == STEPS - 1:
            dt, dx, inner = dts[t], dxs[t], inners[t]
        else:  # read again, as B and C are: kept, they would take registers from the states and decays of all steps
            dt = row_of_channels(at + t * block, G, W)
            dx = row_of_channels(at + (size + t * block), G, W)
            inner = row_of_channels(at + (2 * size + t * block), G, W)
        to_B = zeros(NP, 1, W)
        through_b = ()
        through_a = ()
        passed = ()
        grown = ()
        for g in tl.static_range(G):
            added = ()
            along_b = tl.zeros((NP // 4, W), tl.float32)
            along_a = tl.zeros((NP // 4, W), tl.float32)
            for s in tl.static_range(4):
                grad = inner[g] * c[s] + q[4 * g + s]
                added += (to_B[s] + grad * dx[g],)
                along_b += grad * b[s]
                passed += (decays[4 * (t * G + g) + s] * grad,)
                along_rate = passed[4 * g + s] * before[4 * (t * G + g) + s]
                grown += (to_A[4 * g + s] + along_rate * dt[g],)
                along_a += along_rate * rates[4 * g + s]
            to_B = added
            through_b += (along_b,)
            through_a += (along_a,)
        store_over_states(at + (3 * size + t * block), through_b, NP, G, W)
        store_over_states(at + (4 * size + t * block), through_a, NP, G, W)
        q = passed
        to_A = grown
        limit = tl.where(start + sub * STEPS + t < end, N, 0)
        to_B = over_channels(to_B, NP, W)
        step = (start + sub * STEPS + t).to(tl.int64) * N
        if W == 4:
            places, n = places_of_states(dB, dB, NP, W)
            tl.store(places + step, to_B[0], mask=n < limit)
            places, n = places_of_states(dC, dC, NP, W)
            tl.store(places + step, to_Cs[t][0], mask=n < limit)
        else:
            places, n = places_of_states(dB, dC, NP, W)
            both = summed((to_B[0], to_Cs[t][0]), 2, 4, W)
            tl.store(places + step, both[0], mask=(n < limit) & (tl.arange(0, 32) % W < 8)[None, :])
    return q, to_A


@triton.jit(
    do_not_specialize=["sequences", "length", "blocks", "chunk", "chunks", "intervals", "batch", "space", "opaque"]
)
def sweep_back(
    u, delta, A, B, C, D, z, bias, order, dy, state, carry,
    du, ddelta, dz, dA, dB, dC, dD, dbias, scratch,
    u_b, u_l, delta_b, delta_l, B_b, B_l, C_b, C_l, z_b, z_l, dy_b, dy_l,
    sequences, length, channels, blocks, chunk, chunks, intervals, batch, space, opaque,
    N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr, STEPS: tl.constexpr,
    INTERVAL: tl.constexpr, CARRY: tl.constexpr, SOFTPLUS: tl.constexpr, HAS_BIAS: tl.constexpr,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr, HAS_ORDER: tl.constexpr, PAIRED: tl.constexpr,
):  # fmt: skip
    """Write all gradients of one chunk. Grid: batch × sequences × chunks × channel blocks.

    Interval by interval from the right: the saved state at its start is replayed into checkpoints every STEPS
    steps, then each STEPS steps are recomputed into registers and walked back. A thread holds N/4 states of G
    channels, so that the sums over states (du, dΔ) and over channels (dB, dC) both cost few shuffles.

    du, ddelta, dz: (batch, L, channels), contiguous, with L = sequences × length. dB, dC: (blocks, batch, L, N), in
    visiting order, dA: (batch × sequences, chunks, N, channels), dD, dbias: (batch × sequences, chunks, channels):
    partial sums, each written once, so that results repeat. scratch: 32 · space numbers a program.
    """
    pid = tl.program_id(0)
    index = pid % blocks
    part = (pid // blocks) % chunks
    sequence = (pid // blocks // chunks).to(tl.int64)
    b, first_step = sample_and_step(pid // blocks // chunks, sequences, length)
    block: tl.constexpr = G * W
    size: tl.constexpr = INTERVAL * block
    # Of a tile: a thread has room for eight of its elements beside the states.
    ROWS: tl.constexpr = min(INTERVAL, 8, 256 // block)
    SWAPPED: tl.constexpr = G == 4 and W < 32
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
    planes = scratch + pid.to(tl.int64) * (32 * space)
    states = planes + 6 * size
    own = states + 2 * INTERVAL * NP
    sums = own + INTERVAL // STEPS * NP * block
    checkpoints = own + opaque + 2 * (tl.arange(0, NP // 4)[:, None] * W + tl.arange(0, W)[None, :])
    # By opaque, streams are read four numbers at a time: eight would not lie as those of the scratch memory do.
    cols = first + 4 * opaque + tl.arange(0, block)
    rates = load_tiles(A, first, channels, opaque, N, NP, G, W, PAIRED, SWAPPED)
    to_A = zeros(NP, G, W)
    if CARRY:
        q = load_tiles(carry + slot * N, first, channels, opaque, N, NP, G, W, PAIRED, SWAPPED)
    else:
        q = zeros(NP, G, W)

    count = (end - begin + INTERVAL - 1) // INTERVAL
    for back in range(0, count):
        start = begin + (count - 1 - back) * INTERVAL
        for row in range(0, INTERVAL, ROWS):
            steps = start + row + tl.arange(0, ROWS)
            _prepare(
                u, delta, B, C, z, dy, visited(order, steps, end, HAS_ORDER), steps, end,
                u_l, delta_l, B_l, C_l, z_l, dy_l, bias, cols, channels, planes + row * block,
                states + row * NP, opaque, N, NP, block, INTERVAL, ROWS, SOFTPLUS, HAS_BIAS, HAS_Z,
            )  # fmt: skip
        tl.debug_barrier()  # other lanes read the scratch memory than those that wrote it
        saved = state + (sequence * intervals + (start - first_step) // INTERVAL) * N * channels
        h = load_tiles(saved, first, anew(channels), opaque, N, NP, G, W, PAIRED, SWAPPED)
        _replay(rates, planes, states, checkpoints, h, NP, G, W, STEPS, INTERVAL)
        tl.debug_barrier()

        for done in range(0, INTERVAL // STEPS):
            q, to_A = _walk(
                rates, planes, states, checkpoints, q, to_A, dB, dC, start, INTERVAL // STEPS - 1 - done, end,
                N, NP, G, W, STEPS, INTERVAL, HAS_Z,
            )  # fmt: skip
        tl.debug_barrier()
        for row in range(0, INTERVAL, ROWS):
            steps = start + row + tl.arange(0, ROWS)
            fresh = tl.where(back + row == 0, ROWS * block, 0)
            _finish(
                u, delta, z, dy, du, ddelta, dz, visited(order, steps, end, HAS_ORDER), steps, end,
                u_l, delta_l, z_l, dy_l, channels, bias, D, cols, channels, planes + row * block, sums, fresh,
                block, INTERVAL, ROWS, SOFTPLUS, HAS_BIAS, HAS_D, HAS_Z,
            )  # fmt: skip
        tl.debug_barrier()

    store_tiles(dA + slot * N, to_A, first, anew(channels), opaque, N, NP, G, W, PAIRED, SWAPPED)
    part = sums + tl.arange(0, ROWS)[:, None] * block + tl.arange(0, block)[None, :]
    if HAS_D:
        tl.store(dD + slot + cols, tl.sum(tl.load(part), axis=0), mask=cols < channels)
    if HAS_BIAS:
        tl.store(dbias + slot + cols, tl.sum(tl.load(part + ROWS * block), axis=0), mask=cols < channels)
