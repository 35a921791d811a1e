"""Gradients of the selective scan on a CPU.

With h_k = e_k h_{k-1} + Δ_k u_k B_k, e_k = exp(Δ_k A), y_k = C_k·h_k + D u_k, and g_k the gradient that
reaches h_k, going backwards along the visiting order:

    g_k = C_k dy_k + e_{k+1} g_{k+1}
    dA += g_k e_k h_{k-1} Δ_k,  dB_k = Σ_channels g_k Δ_k u_k,  dC_k = Σ_channels dy_k h_k
    dΔ_k = Σ_n g_k e_k h_{k-1} A + u_k Σ_n g_k B_k,  du_k = Δ_k Σ_n g_k B_k + D dy_k

States are recomputed from a checkpoint every CHECKPOINT steps, one state n at a time, so that its e and h of a
tile stay in the first-level cache.
"""

from __future__ import annotations

import numba
import numpy as np

from backbones.ops.cpu.compilation import kernel
from backbones.ops.cpu.sums import PARTIAL, add_sums, store_dot
from backbones.ops.cpu.vector import (
    BYTES,
    LANES,
    LN_2,
    any_above,
    exp2_product,
    fill,
    fma,
    load,
    load_int,
    load_row,
    next_ticket,
    spread,
    store,
    store_int,
    store_row,
)
from backbones.ops.scan.cpu_forward import (
    BIAS,
    CHANNELS,
    CHECKPOINT,
    DELTA,
    FORWARD_ARGUMENTS,
    HALF,
    LENGTH,
    LOWEST,
    ORDER,
    RATE,
    SKIP,
    SOFTPLUS,
    STATE,
    STATES,
    STEPS,
    B,
    C,
    U,
    Z,
    clamped_rate,
    fastest,
    fetch,
    sigmoid,
    step_and_slope,
    visited,
)

# After the forward arguments: dy, du, ddelta, dz, then float32 partial sums. dA: (batch, groups, states,
# LANES); dB, dC: (parts, batch, L, states); dbias, dD: (batch, groups, LANES).
(DY, DU, DDELTA, DZ) = range(FORWARD_ARGUMENTS, FORWARD_ARGUMENTS + 12, 3)
(DRATE, DB, DC, DBIAS, DSKIP, BATCHES, PARTS) = range(FORWARD_ARGUMENTS + 12, FORWARD_ARGUMENTS + 19)
BACKWARD_ARGUMENTS = FORWARD_ARGUMENTS + 19

STATES_STEP = 4  # states whose sums are taken together; their number is a multiple of it
# Offsets of the rows that a tile stores for each of its steps.
(_DT, _FLOW, _DY, _READ, _ALONG_RATE, _ALONG_B, _SLOPE, _OPENING) = range(0, 8 * BYTES, BYTES)
_STEP = 8 * BYTES
_PAIR = 2 * BYTES  # e of a step and h before it; of one step more than the tile has
_LN_2 = np.float32(LN_2)


@numba.njit(nogil=True, forceinline=True)
def _prepare(p, start, stop, offset, batch, width, tile, rows, bias, least):
    """Fill the tile's rows and the addresses of its B and C; return whether a rate has to be clamped."""
    half, order, z = p[HALF], p[ORDER], p[Z]
    size = 2 if half != 0 else 4
    floor = fill(np.float32(126.0)) / least
    longest = fill(LOWEST) / least
    steep = 0
    for k in range(start, stop):
        row = visited(order, k)
        at = tile + (k - start) * _STEP
        x = load_row(p[U] + batch * p[U + 1] + row * p[U + 2] + offset * size, width, half)
        raw = load_row(p[DELTA] + batch * p[DELTA + 1] + row * p[DELTA + 2] + offset * size, width, half) + bias
        dt, slope = step_and_slope(raw, p[SOFTPLUS], floor)
        dy = load_row(p[DY] + batch * p[DY + 1] + row * p[DY + 2] + offset * size, width, half)
        if z != 0:
            gate = load_row(z + batch * p[Z + 1] + row * p[Z + 2] + offset * size, width, half)
            opening = sigmoid(gate)
            dy = dy * gate * opening
            store(at + _OPENING, opening)
        zero = fill(np.float32(0.0))
        store(at + _DT, dt)
        store(at + _FLOW, dt * x)
        store(at + _DY, dy)
        store(at + _READ, zero)  # Σ_n C h, wanted for dz
        store(at + _ALONG_RATE, zero)  # Σ_n g e h A
        store(at + _ALONG_B, zero)  # Σ_n g B
        store(at + _SLOPE, slope)  # of Δ against delta
        store_int(rows + 16 * (k - start), p[B] + batch * p[B + 1] + row * p[B + 2])
        store_int(rows + 16 * (k - start) + 8, p[C] + batch * p[C + 1] + row * p[C + 2])
        steep |= any_above(dt, longest)
    return steep


@numba.njit(nogil=True, forceinline=True)
def _prefetch_step(p, k, offset, batch, width, part):
    """Prefetch the rows that step k needs."""
    if k < 0:
        return
    row, size, z = visited(p[ORDER], k), 2 if p[HALF] != 0 else 4, p[Z]
    fetch(p[U] + batch * p[U + 1] + row * p[U + 2] + offset * size, width * size)
    fetch(p[DELTA] + batch * p[DELTA + 1] + row * p[DELTA + 2] + offset * size, width * size)
    fetch(p[DY] + batch * p[DY + 1] + row * p[DY + 2] + offset * size, width * size)
    fetch(p[DU] + batch * p[DU + 1] + row * p[DU + 2] + offset * size, width * size)
    fetch(p[DDELTA] + batch * p[DDELTA + 1] + row * p[DDELTA + 2] + offset * size, width * size)
    fetch(p[B] + batch * p[B + 1] + row * p[B + 2], 4 * p[STATES])
    fetch(p[C] + batch * p[C + 1] + row * p[C + 2], 4 * p[STATES])
    sums = 4 * ((part * p[BATCHES] + batch) * p[LENGTH] + row) * p[STATES]
    fetch(p[DB] + sums, 4 * p[STATES])
    fetch(p[DC] + sums, 4 * p[STATES])
    if z != 0:
        fetch(z + batch * p[Z + 1] + row * p[Z + 2] + offset * size, width * size)
        fetch(p[DZ] + batch * p[DZ + 1] + row * p[DZ + 2] + offset * size, width * size)


@numba.njit(nogil=True, forceinline=True)
def _recompute(steps, n, tile, history, rows, rate, h, steep):
    """Keep e and h of the tile's steps, for state n; the slot before the first holds h at its start."""
    store(history + BYTES, h)
    for k in range(steps):
        at, slot = tile + k * _STEP, history + k * _PAIR
        dt = load(at + _DT)
        e = exp2_product(dt, clamped_rate(rate, dt) if steep else rate)
        h = fma(e, h, load(at + _FLOW) * spread(load_int(rows + 16 * k) + 4 * n))
        store(slot, e)
        store(slot + _PAIR + BYTES, h)


@numba.njit(nogil=True, forceinline=True)
def _sweep(steps, n, states, tile, history, rows, partial, rate, g, drate, gated):
    """Walk back over the tile's steps for state n; return the gradients of the state before the tile, and of its rate.

    Σ_n C h is summed only where there is a gate, whose gradient needs it.
    """
    for k in range(steps - 1, -1, -1):
        at, slot = tile + k * _STEP, history + k * _PAIR
        b, c = spread(load_int(rows + 16 * k) + 4 * n), spread(load_int(rows + 16 * k + 8) + 4 * n)
        dy, h = load(at + _DY), load(slot + _PAIR + BYTES)
        g = fma(c, dy, g)
        if gated:
            store(at + _READ, fma(c, h, load(at + _READ)))
        store(at + _ALONG_B, fma(g, b, load(at + _ALONG_B)))
        sums = partial + (k * states + n) * 4 * PARTIAL
        store_dot(sums, g, load(at + _FLOW))
        store_dot(sums + CHECKPOINT * states * 4 * PARTIAL, h, dy)
        g = g * load(slot)
        through = g * load(slot + BYTES)
        drate = fma(through, load(at + _DT), drate)
        store(at + _ALONG_RATE, fma(through, rate, load(at + _ALONG_RATE)))
    return g, drate


@numba.njit(nogil=True, forceinline=True)
def _add(p, start, stop, batch, part, partial):
    """Add the tile's partial sums into the rows of dB and dC."""
    states = p[STATES]
    for k in range(start, stop):
        row = visited(p[ORDER], k)
        for low in range(0, states, STATES_STEP):
            sums = 4 * (((part * p[BATCHES] + batch) * p[LENGTH] + row) * states + low)
            first = partial + ((k - start) * states + low) * 4 * PARTIAL
            add_sums(p[DB] + sums, p[DC] + sums, first, first + CHECKPOINT * states * 4 * PARTIAL)


@numba.njit(nogil=True, forceinline=True)
def _finish(p, start, stop, offset, batch, width, tile, skip, dbias, dskip):
    """Write the tile's du, ddelta and dz rows; add its share of dbias and dD."""
    half, order, z = p[HALF], p[ORDER], p[Z]
    size = 2 if half != 0 else 4
    for k in range(start, stop):
        row = visited(order, k)
        at = tile + (k - start) * _STEP
        x = load_row(p[U] + batch * p[U + 1] + row * p[U + 2] + offset * size, width, half)
        dy, along_b = load(at + _DY), load(at + _ALONG_B)
        du = fma(load(at + _DT), along_b, skip * dy)
        store_row(p[DU] + batch * p[DU + 1] + row * p[DU + 2] + offset * size, du, width, half)
        ddelta = fma(x, along_b, load(at + _ALONG_RATE) * fill(_LN_2))
        ddelta = ddelta * load(at + _SLOPE)
        store_row(p[DDELTA] + batch * p[DDELTA + 1] + row * p[DDELTA + 2] + offset * size, ddelta, width, half)
        dbias = dbias + ddelta
        dskip = fma(dy, x, dskip)
        if z != 0:
            out = load_row(p[DY] + batch * p[DY + 1] + row * p[DY + 2] + offset * size, width, half)
            gate = load_row(z + batch * p[Z + 1] + row * p[Z + 2] + offset * size, width, half)
            s = load(at + _OPENING)
            one = fill(np.float32(1.0))
            slope = s * fma(gate, one - s, one)
            y = fma(skip, x, load(at + _READ))
            dz = out * y * slope
            store_row(p[DZ] + batch * p[DZ + 1] + row * p[DZ + 2] + offset * size, dz, width, half)
    return dbias, dskip


@kernel
def scan_gradient(arguments):
    """Do tasks until none is left; task = batch * parts + part. A part is a fixed run of channel groups."""
    p = numba.carray(arguments, (BACKWARD_ARGUMENTS,), np.int64)
    channels, states, parts, steps = p[CHANNELS], p[STATES], p[PARTS], p[STEPS]
    groups = (channels + LANES - 1) // LANES
    run_tiles = (steps + CHECKPOINT - 1) // CHECKPOINT
    tiles = p[LENGTH] // steps * run_tiles
    sums = CHECKPOINT * states * 4 * PARTIAL  # bytes of a tile's partial sums for dB, and for dC
    taken = CHECKPOINT * (_STEP + 16) + (CHECKPOINT + 1) * _PAIR + states * BYTES + 2 * sums
    scratch = np.empty(taken // 4 + 16, np.float32)
    tile = (scratch.ctypes.data + 63) // 64 * 64
    history = tile + CHECKPOINT * _STEP
    carry = history + (CHECKPOINT + 1) * _PAIR
    partial = carry + states * BYTES
    rows = partial + 2 * sums
    zero = fill(np.float32(0.0))
    tasks = p[1]
    task = next_ticket(p.ctypes.data)
    while task < tasks:
        batch, part = task // parts, task % parts
        begin = part * groups // parts
        for group in range(begin, (part + 1) * groups // parts):
            offset = group * LANES
            width = min(LANES, channels - offset)
            rates = p[RATE] + group * states * BYTES
            block = batch * groups + group
            drate = p[DRATE] + block * states * BYTES
            bias = load_row(p[BIAS] + 4 * offset, width, 0) if p[BIAS] != 0 else zero
            skip = load_row(p[SKIP] + 4 * offset, width, 0) if p[SKIP] != 0 else zero
            least = fastest(rates, states)
            dbias, dskip = zero, zero
            for n in range(states):
                store(drate + n * BYTES, zero)
            for index in range(tiles - 1, -1, -1):
                run, inside = index // run_tiles, index % run_tiles
                start = run * steps + inside * CHECKPOINT
                stop = min((run + 1) * steps, start + CHECKPOINT)
                if inside == run_tiles - 1:
                    for n in range(states):
                        store(carry + n * BYTES, zero)
                saved = p[STATE] + (block * tiles + index) * states * BYTES
                steep = _prepare(p, start, stop, offset, batch, width, tile, rows, bias, least)
                for n in range(states):
                    i, rate = n * BYTES, load(rates + n * BYTES)
                    # Prefetch the tile before, a part with every state: all at once would stall the core.
                    fetch(saved + i - states * BYTES, BYTES)
                    for k in range(n * CHECKPOINT // states, (n + 1) * CHECKPOINT // states):
                        _prefetch_step(p, start - CHECKPOINT + k, offset, batch, width, part)
                    _recompute(stop - start, n, tile, history, rows, rate, load(saved + i), steep)
                    g, d = load(carry + i), load(drate + i)
                    g, d = _sweep(stop - start, n, states, tile, history, rows, partial, rate, g, d, p[Z] != 0)
                    store(carry + i, g)
                    store(drate + i, d)
                _add(p, start, stop, batch, part, partial)
                dbias, dskip = _finish(p, start, stop, offset, batch, width, tile, skip, dbias, dskip)
            store(p[DBIAS] + block * BYTES, dbias)
            store(p[DSKIP] + block * BYTES, dskip)
        task = next_ticket(p.ctypes.data)
    scratch[0] = 0.0  # keeps the buffer alive up to here
