"""Forward selective scan on a CPU, compiled by numba at first use and cached on disk."""

from __future__ import annotations

import numba
import numpy as np
from numba import int64

from backbones.ops.cpu.compilation import compiled, kernel
from backbones.ops.cpu.vector import (
    BYTES,
    EXP2_LOWEST,
    LANES,
    LOG2_E,
    any_above,
    decay,
    exp2_product,
    fill,
    fma,
    load,
    load_float,
    load_int,
    load_row,
    log1p_ratio,
    lower_bound,
    next_ticket,
    positive,
    prefetch,
    spread,
    store,
    store_float,
    store_row,
    where_negative,
)

CHECKPOINT = 16  # steps between two saved states

# Indices of a kernel's arguments in the int64 array that it receives. Every tensor (batch, L, channels)
# takes three places: address, bytes from one batch entry to the next, bytes from one row to the next.
# The first two places belong to the workers: the next task, and the number of tasks.
(U, DELTA, Z, B, C, Y) = range(2, 20, 3)
# LENGTH rows are visited in runs of STEPS, each from a state of zeros.
(RATE, BIAS, SKIP, ORDER, STATE, LENGTH, CHANNELS, STATES, SOFTPLUS, HALF, STEPS) = range(20, 31)
FORWARD_ARGUMENTS = 31

_LOG2_E = np.float32(LOG2_E)
_LINE = 64
LOWEST = np.float32(EXP2_LOWEST)
_TINY = np.float32(1e-30)
_AHEAD = 8  # rows between a prefetch and its use


@compiled(int64(int64, int64, int64, int64, int64, int64, int64))
def pack_rates(rates, row, column, channels, states, padded, out):
    """Write A log2(e) as (groups, padded, LANES), zeros beyond A; return the number of A >= 0."""
    faults = 0
    for group in range((channels + LANES - 1) // LANES):
        for n in range(padded):
            for lane in range(LANES):
                channel = group * LANES + lane
                value = np.float32(0.0)
                if channel < channels and n < states:
                    value = load_float(rates + channel * row + n * column)
                    if value >= 0.0:
                        faults += 1
                store_float(out + 4 * ((group * padded + n) * LANES + lane), value * _LOG2_E)
    return faults


@numba.njit(nogil=True, forceinline=True)
def step_size(raw, softplus, floor):
    """Return softplus(raw) if `softplus`; else raw, at least `floor`, so that exp(raw A) is finite."""
    if softplus != 0:
        e = decay(raw)
        return fma(e, log1p_ratio(e), positive(raw))
    return lower_bound(raw, floor)


@numba.njit(nogil=True, forceinline=True)
def step_and_slope(raw, softplus, floor):
    """Return `step_size` and its derivative, which share one exponential."""
    one = fill(np.float32(1.0))
    if softplus != 0:
        e = decay(raw)
        return fma(e, log1p_ratio(e), positive(raw)), where_negative(raw, e, one) / (one + e)
    return lower_bound(raw, floor), one


@numba.njit(nogil=True, forceinline=True)
def fastest(rates, states):
    """Return the most negative of the states' rates."""
    least = fill(np.float32(-1e-30))
    for n in range(states):
        least = where_negative(load(rates + n * BYTES) - least, load(rates + n * BYTES), least)
    return least


@numba.njit(nogil=True, forceinline=True)
def clamped_rate(rate, dt):
    """Return the rate, clamped so that exp2(dt rate) is at least 2^EXP2_LOWEST."""
    return lower_bound(rate, fill(LOWEST) / lower_bound(dt, fill(_TINY)))


@numba.njit(nogil=True, forceinline=True)
def sigmoid(x):
    """Return 1 / (1 + exp(-x)) without overflow."""
    e = decay(x)
    one = fill(np.float32(1.0))
    return where_negative(x, e, one) / (one + e)


@numba.njit(nogil=True, forceinline=True)
def visited(order, k):
    """Return the row visited at step k."""
    return load_int(order + 8 * k) if order != 0 else k


@numba.njit(nogil=True, forceinline=True)
def fetch(address, size):
    """Prefetch `size` bytes."""
    for offset in range(0, size, _LINE):
        prefetch(address + offset)


@kernel
def scan(arguments):
    """Do tasks of the forward scan until none is left; task = batch * groups + group of LANES channels."""
    p = numba.carray(arguments, (FORWARD_ARGUMENTS,), np.int64)
    length, channels, states, half = p[LENGTH], p[CHANNELS], p[STATES], p[HALF]
    order, z, state, steps = p[ORDER], p[Z], p[STATE], p[STEPS]
    size = 2 if half != 0 else 4
    groups = (channels + LANES - 1) // LANES
    tiles = length // steps * ((steps + CHECKPOINT - 1) // CHECKPOINT)
    scratch = np.empty(2 * states * LANES + 16, np.float32)
    hidden = (scratch.ctypes.data + 63) // 64 * 64
    bounded = hidden + states * BYTES
    zero = fill(np.float32(0.0))
    tasks = p[1]
    task = next_ticket(p.ctypes.data)
    while task < tasks:
        batch, group = task // groups, task % groups
        offset = group * LANES
        width = min(LANES, channels - offset)
        rates = p[RATE] + group * states * BYTES
        bias = load_row(p[BIAS] + 4 * offset, width, 0) if p[BIAS] != 0 else zero
        skip = load_row(p[SKIP] + 4 * offset, width, 0) if p[SKIP] != 0 else zero
        least = fastest(rates, states)
        floor = fill(np.float32(126.0)) / least  # smallest Δ for which no state overflows within one step
        longest = fill(LOWEST) / least  # largest Δ for which no factor has to be clamped
        u_base = p[U] + batch * p[U + 1] + offset * size
        d_base = p[DELTA] + batch * p[DELTA + 1] + offset * size
        z_base = z + batch * p[Z + 1] + offset * size
        y_base = p[Y] + batch * p[Y + 1] + offset * size
        b_base, c_base = p[B] + batch * p[B + 1], p[C] + batch * p[C + 1]
        saved = state + (batch * groups + group) * tiles * states * BYTES
        since = steps  # steps of the run already walked: the first row begins one
        for k in range(length):
            if since == steps:
                since = 0
                for n in range(states):
                    store(hidden + n * BYTES, zero)
            row = visited(order, k)
            if k + _AHEAD < length:
                ahead = visited(order, k + _AHEAD)
                fetch(u_base + ahead * p[U + 2], width * size)
                fetch(d_base + ahead * p[DELTA + 2], width * size)
                fetch(y_base + ahead * p[Y + 2], width * size)
                fetch(b_base + ahead * p[B + 2], 4 * states)
                fetch(c_base + ahead * p[C + 2], 4 * states)
                if z != 0:
                    fetch(z_base + ahead * p[Z + 2], width * size)
            if state != 0 and since % CHECKPOINT == 0:
                for n in range(states):
                    store(saved + n * BYTES, load(hidden + n * BYTES))
                saved += states * BYTES
            x = load_row(u_base + row * p[U + 2], width, half)
            raw = load_row(d_base + row * p[DELTA + 2], width, half) + bias
            dt = step_size(raw, p[SOFTPLUS], floor)
            dx = dt * x
            y = skip * x
            used = rates
            if any_above(dt, longest):
                used = bounded
                for n in range(states):
                    store(bounded + n * BYTES, clamped_rate(load(rates + n * BYTES), dt))
            b_row, c_row = b_base + row * p[B + 2], c_base + row * p[C + 2]
            for n in range(states):
                e = exp2_product(dt, load(used + n * BYTES))
                h = fma(e, load(hidden + n * BYTES), dx * spread(b_row + 4 * n))
                store(hidden + n * BYTES, h)
                y = fma(spread(c_row + 4 * n), h, y)
            if z != 0:
                gate = load_row(z_base + row * p[Z + 2], width, half)
                y = y * gate * sigmoid(gate)
            store_row(y_base + row * p[Y + 2], y, width, half)
            since += 1
        task = next_ticket(p.ctypes.data)
    scratch[0] = 0.0  # keeps the buffer alive up to here
