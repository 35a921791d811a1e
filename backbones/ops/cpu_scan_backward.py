"""Gradients of the selective scan on a CPU.

With h_k = e_k h_{k-1} + Δ_k u_k B_k, e_k = exp(Δ_k A), y_k = C_k·h_k + D u_k, and g_k the gradient that
reaches h_k, going backwards along the visiting order:

    g_k = C_k dy_k + e_{k+1} g_{k+1}
    dA += g_k e_k h_{k-1} Δ_k,  dB_k = Σ_channels g_k Δ_k u_k,  dC_k = Σ_channels dy_k h_k
    dΔ_k = Σ_n g_k e_k h_{k-1} A + u_k Σ_n g_k B_k,  du_k = Δ_k Σ_n g_k B_k + D dy_k

States are recomputed from a checkpoint every CHECKPOINT steps, a few states n at a time, so that e and
e h of one tile stay in the first-level cache.
"""

from __future__ import annotations

import numba
import numpy as np

from backbones.ops.cpu_scan import (
    BIAS,
    CHANNELS,
    CHECKPOINT,
    DELTA,
    FORWARD_ARGUMENTS,
    HALF,
    LENGTH,
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
    fetch,
    sigmoid,
    step_and_slope,
    step_floor,
    visited,
)
from backbones.ops.cpu_sums import add_sums
from backbones.ops.cpu_vector import (
    BYTES,
    LANES,
    LN_2,
    exp2,
    fill,
    fma,
    load,
    load_row,
    next_ticket,
    spread,
    store,
    store_row,
)

# After the forward arguments: dy, du, ddelta, dz, then float32 partial sums. dA: (batch, groups, states,
# LANES); dB, dC: (parts, batch, L, states); dbias, dD: (batch, groups, LANES).
(DY, DU, DDELTA, DZ) = range(FORWARD_ARGUMENTS, FORWARD_ARGUMENTS + 12, 3)
(DRATE, DB, DC, DBIAS, DSKIP, BATCHES, PARTS) = range(FORWARD_ARGUMENTS + 12, FORWARD_ARGUMENTS + 19)
BACKWARD_ARGUMENTS = FORWARD_ARGUMENTS + 19

STATES_STEP = 4  # states recomputed together; their number is a multiple of it
_PAIR = STATES_STEP * CHECKPOINT * BYTES  # from e to e h in a tile's history
_ROWS = 8  # kept for every step of a tile
_LN_2 = np.float32(LN_2)


@numba.njit(nogil=True, forceinline=True)
def _prepare(p, start, stop, offset, batch, width, tile, bias, floor):
    """Fill the tile's Δ, Δu, gated dy and Σ C h rows; ask for the rows of the tile before it."""
    half, order, z = p[HALF], p[ORDER], p[Z]
    size = 2 if half != 0 else 4
    for k in range(start, stop):
        row = visited(order, k)
        at = tile + (k - start) * BYTES
        x = load_row(p[U] + batch * p[U + 1] + row * p[U + 2] + offset * size, width, half)
        raw = load_row(p[DELTA] + batch * p[DELTA + 1] + row * p[DELTA + 2] + offset * size, width, half) + bias
        dt, slope = step_and_slope(raw, p[SOFTPLUS], floor)
        dy = load_row(p[DY] + batch * p[DY + 1] + row * p[DY + 2] + offset * size, width, half)
        if z != 0:
            gate = load_row(z + batch * p[Z + 1] + row * p[Z + 2] + offset * size, width, half)
            opening = sigmoid(gate)
            dy = dy * gate * opening
            store(at + 7 * CHECKPOINT * BYTES, opening)
        zero = fill(np.float32(0.0))
        store(at, dt)
        store(at + CHECKPOINT * BYTES, dt * x)
        store(at + 2 * CHECKPOINT * BYTES, dy)
        store(at + 3 * CHECKPOINT * BYTES, zero)  # Σ_n C h, wanted for dz
        store(at + 4 * CHECKPOINT * BYTES, zero)  # Σ_n g e h A
        store(at + 5 * CHECKPOINT * BYTES, zero)  # Σ_n g B
        store(at + 6 * CHECKPOINT * BYTES, slope)  # of Δ against delta
        if k >= CHECKPOINT:
            before = visited(order, k - CHECKPOINT)
            fetch(p[U] + batch * p[U + 1] + before * p[U + 2] + offset * size, width * size)
            fetch(p[DELTA] + batch * p[DELTA + 1] + before * p[DELTA + 2] + offset * size, width * size)
            fetch(p[DY] + batch * p[DY + 1] + before * p[DY + 2] + offset * size, width * size)
            fetch(p[DU] + batch * p[DU + 1] + before * p[DU + 2] + offset * size, width * size)
            fetch(p[DDELTA] + batch * p[DDELTA + 1] + before * p[DDELTA + 2] + offset * size, width * size)
            fetch(p[B] + batch * p[B + 1] + before * p[B + 2], 4 * p[STATES])
            fetch(p[C] + batch * p[C + 1] + before * p[C + 2], 4 * p[STATES])
            if z != 0:
                fetch(z + batch * p[Z + 1] + before * p[Z + 2] + offset * size, width * size)
                fetch(p[DZ] + batch * p[DZ + 1] + before * p[DZ + 2] + offset * size, width * size)


@numba.njit(nogil=True, forceinline=True)
def _recompute(p, start, stop, batch, low, tile, history, rates, saved):
    """e and e h of the tile's steps, for STATES_STEP states from `low` on."""
    for n in range(low, low + STATES_STEP):
        h = load(saved + n * BYTES)
        rate = load(rates + n * BYTES)
        for k in range(start, stop):
            b = spread(p[B] + batch * p[B + 1] + visited(p[ORDER], k) * p[B + 2] + 4 * n)
            at = tile + (k - start) * BYTES
            slot = history + ((k - start) * STATES_STEP + n - low) * BYTES
            e = exp2(load(at) * rate)
            decayed = e * h
            store(slot, e)
            store(slot + _PAIR, decayed)
            h = fma(load(at + CHECKPOINT * BYTES), b, decayed)


@numba.njit(nogil=True, forceinline=True)
def _step_back(at, slot, carry, rate, drate, b, c, read, along_rate, along_b):
    """One step of one state; the tile's rows are read where they are used, which spares registers."""
    decayed = load(slot + _PAIR)
    g = fma(c, load(at + 2 * CHECKPOINT * BYTES), load(carry))
    h = fma(b, load(at + CHECKPOINT * BYTES), decayed)
    store(carry, g * load(slot))
    through = g * decayed
    store(drate, fma(through, load(at), load(drate)))
    to_b, to_c = g * load(at + CHECKPOINT * BYTES), h * load(at + 2 * CHECKPOINT * BYTES)
    return to_b, to_c, fma(c, h, read), fma(through, load(rate), along_rate), fma(g, b, along_b)


@numba.njit(nogil=True, forceinline=True)
def _sweep(p, start, stop, batch, part, tile, history, rates, saved, carry, drate):
    """Recompute the tile's states and sweep back over them, STATES_STEP states at a time."""
    order, states = p[ORDER], p[STATES]
    for low in range(0, states, STATES_STEP):
        _recompute(p, start, stop, batch, low, tile, history, rates, saved)
        i0 = low * BYTES
        i1, i2, i3 = i0 + BYTES, i0 + 2 * BYTES, i0 + 3 * BYTES
        for k in range(stop - 1, start - 1, -1):
            row = visited(order, k)
            at = tile + (k - start) * BYTES
            s = history + (k - start) * STATES_STEP * BYTES
            b = p[B] + batch * p[B + 1] + row * p[B + 2] + 4 * low
            c = p[C] + batch * p[C + 1] + row * p[C + 2] + 4 * low
            r, x, y = (
                load(at + 3 * CHECKPOINT * BYTES),
                load(at + 4 * CHECKPOINT * BYTES),
                load(at + 5 * CHECKPOINT * BYTES),
            )
            b0, c0, r, x, y = _step_back(at, s, carry + i0, rates + i0, drate + i0, spread(b), spread(c), r, x, y)
            b1, c1, r, x, y = _step_back(
                at, s + BYTES, carry + i1, rates + i1, drate + i1, spread(b + 4), spread(c + 4), r, x, y
            )
            b2, c2, r, x, y = _step_back(
                at, s + 2 * BYTES, carry + i2, rates + i2, drate + i2, spread(b + 8), spread(c + 8), r, x, y
            )
            b3, c3, r, x, y = _step_back(
                at, s + 3 * BYTES, carry + i3, rates + i3, drate + i3, spread(b + 12), spread(c + 12), r, x, y
            )
            sums = 4 * (((part * p[BATCHES] + batch) * p[LENGTH] + row) * states + low)
            add_sums(p[DB] + sums, p[DC] + sums, b0, b1, b2, b3, c0, c1, c2, c3)
            store(at + 3 * CHECKPOINT * BYTES, r)
            store(at + 4 * CHECKPOINT * BYTES, x)
            store(at + 5 * CHECKPOINT * BYTES, y)


@numba.njit(nogil=True, forceinline=True)
def _finish(p, start, stop, offset, batch, width, tile, skip, dbias, dskip):
    """Write the tile's du, ddelta and dz rows; add its share of dbias and dD."""
    half, order, z = p[HALF], p[ORDER], p[Z]
    size = 2 if half != 0 else 4
    for k in range(start, stop):
        row = visited(order, k)
        at = tile + (k - start) * BYTES
        x = load_row(p[U] + batch * p[U + 1] + row * p[U + 2] + offset * size, width, half)
        dy, along_b = load(at + 2 * CHECKPOINT * BYTES), load(at + 5 * CHECKPOINT * BYTES)
        du = fma(load(at), along_b, skip * dy)
        store_row(p[DU] + batch * p[DU + 1] + row * p[DU + 2] + offset * size, du, width, half)
        ddelta = fma(x, along_b, load(at + 4 * CHECKPOINT * BYTES) * fill(_LN_2))
        ddelta = ddelta * load(at + 6 * CHECKPOINT * BYTES)
        store_row(p[DDELTA] + batch * p[DDELTA + 1] + row * p[DDELTA + 2] + offset * size, ddelta, width, half)
        dbias = dbias + ddelta
        dskip = fma(dy, x, dskip)
        if z != 0:
            out = load_row(p[DY] + batch * p[DY + 1] + row * p[DY + 2] + offset * size, width, half)
            gate = load_row(z + batch * p[Z + 1] + row * p[Z + 2] + offset * size, width, half)
            s = load(at + 7 * CHECKPOINT * BYTES)
            one = fill(np.float32(1.0))
            slope = s * fma(gate, one - s, one)
            y = fma(skip, x, load(at + 3 * CHECKPOINT * BYTES))
            dz = out * y * slope
            store_row(p[DZ] + batch * p[DZ + 1] + row * p[DZ + 2] + offset * size, dz, width, half)
    return dbias, dskip


@numba.cfunc(numba.void(numba.types.voidptr), nopython=True, cache=True)
def scan_gradient(arguments):
    """Tasks until none is left; task = batch * parts + part. A part is a fixed run of channel groups."""
    p = numba.carray(arguments, (BACKWARD_ARGUMENTS,), np.int64)
    channels, states, parts, steps = p[CHANNELS], p[STATES], p[PARTS], p[STEPS]
    groups = (channels + LANES - 1) // LANES
    run_tiles = (steps + CHECKPOINT - 1) // CHECKPOINT
    tiles = p[LENGTH] // steps * run_tiles
    scratch = np.empty((_ROWS * CHECKPOINT + 2 * STATES_STEP * CHECKPOINT + states) * LANES + 16, np.float32)
    tile = (scratch.ctypes.data + 63) // 64 * 64
    history = tile + _ROWS * CHECKPOINT * BYTES
    carry = history + 2 * STATES_STEP * CHECKPOINT * BYTES
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
            floor = step_floor(rates, states)
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
                _prepare(p, start, stop, offset, batch, width, tile, bias, floor)
                _sweep(p, start, stop, batch, part, tile, history, rates, saved, carry, drate)
                dbias, dskip = _finish(p, start, stop, offset, batch, width, tile, skip, dbias, dskip)
            store(p[DBIAS] + block * BYTES, dbias)
            store(p[DSKIP] + block * BYTES, dskip)
        task = next_ticket(p.ctypes.data)
    scratch[0] = 0.0  # keeps the buffer alive up to here
