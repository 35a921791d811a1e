"""Tangent of the selective scan on a CPU: the state and its derivative along given directions, side by side.

With a dot for the derivative of an input, a_k = exp(Δ_k A) and Δ̇ = softplus'(delta + delta_bias) (delta + delta_bias)˙,
the recurrence h_k = a_k h_{k-1} + Δ_k u_k B_k of `backbones.ops.scan.cpu_forward` has the derivative

    ḣ_k = a_k (ḣ_{k-1} + (Δ̇_k A + Δ_k Ȧ) h_{k-1}) + (Δ̇_k u_k + Δ_k u̇_k) B_k + Δ_k u_k Ḃ_k,
    ẏ_k = (Ċ_k · h_k + C_k · ḣ_k + Ḋ u_k + D u̇_k) silu(z_k) + (C_k · h_k + D u_k) silu'(z_k) ż_k.
"""

from __future__ import annotations

import numba
import numpy as np

from backbones.ops.cpu.compilation import kernel
from backbones.ops.cpu.vector import (
    BYTES,
    LANES,
    LN_2,
    any_above,
    exp2_product,
    fill,
    fma,
    load,
    load_row,
    next_ticket,
    spread,
    store,
    store_row,
)
from backbones.ops.scan.cpu_forward import LOWEST, clamped_rate, fastest, sigmoid, step_and_slope, visited

# Indices of the arguments, as in `scan.cpu_forward`; D before a name: its tangent.
(U, DELTA, Z, B, C, DU, DDELTA, DZ, DB, DC, DY) = range(2, 35, 3)
(RATE, BIAS, SKIP, DRATE, DBIAS, DSKIP, ORDER, LENGTH, CHANNELS, STATES, SOFTPLUS, HALF, STEPS) = range(35, 48)
ARGUMENTS = 48

_LN_2 = np.float32(LN_2)


@numba.njit(nogil=True, forceinline=True)
def _vector(address, offset, width):
    """Return LANES entries of a vector (channels,) from `offset` on; zeros where there is no vector."""
    return load_row(address + 4 * offset, width, 0) if address != 0 else fill(np.float32(0.0))


@kernel
def scan_tangent(arguments):
    """Do tasks of the tangent until none is left; task = batch * groups + group of LANES channels."""
    p = numba.carray(arguments, (ARGUMENTS,), np.int64)
    length, channels, states, half = p[LENGTH], p[CHANNELS], p[STATES], p[HALF]
    size = 2 if half != 0 else 4
    groups = (channels + LANES - 1) // LANES
    scratch = np.empty(3 * states * LANES + 16, np.float32)
    hidden = (scratch.ctypes.data + 63) // 64 * 64
    moved = hidden + states * BYTES
    bounded = moved + states * BYTES
    zero, one, ln_2 = fill(np.float32(0.0)), fill(np.float32(1.0)), fill(_LN_2)
    tasks = p[1]
    task = next_ticket(p.ctypes.data)
    while task < tasks:
        batch, group = task // groups, task % groups
        offset = group * LANES
        width = min(LANES, channels - offset)
        rates, drates = p[RATE] + group * states * BYTES, p[DRATE] + group * states * BYTES
        bias, dbias = _vector(p[BIAS], offset, width), _vector(p[DBIAS], offset, width)
        skip, dskip = _vector(p[SKIP], offset, width), _vector(p[DSKIP], offset, width)
        least = fastest(rates, states)
        floor = fill(np.float32(126.0)) / least
        longest = fill(LOWEST) / least
        since = p[STEPS]
        for k in range(length):
            if since == p[STEPS]:
                since = 0
                for n in range(states):
                    store(hidden + n * BYTES, zero)
                    store(moved + n * BYTES, zero)
            row = visited(p[ORDER], k)
            x = load_row(p[U] + batch * p[U + 1] + row * p[U + 2] + offset * size, width, half)
            x_dot = load_row(p[DU] + batch * p[DU + 1] + row * p[DU + 2] + offset * size, width, half)
            raw = load_row(p[DELTA] + batch * p[DELTA + 1] + row * p[DELTA + 2] + offset * size, width, half)
            raw_dot = load_row(p[DDELTA] + batch * p[DDELTA + 1] + row * p[DDELTA + 2] + offset * size, width, half)
            dt, slope = step_and_slope(raw + bias, p[SOFTPLUS], floor)
            dt_dot = slope * (raw_dot + dbias)
            dx, dx_dot = dt * x, fma(dt_dot, x, dt * x_dot)
            y, y_dot = skip * x, fma(dskip, x, skip * x_dot)
            used = rates
            if any_above(dt, longest):
                used = bounded
                for n in range(states):
                    store(bounded + n * BYTES, clamped_rate(load(rates + n * BYTES), dt))
            # Rates are in powers of two: exp(Δ A) = 2^(Δ rate), whose logarithm changes by ln 2 (Δ rate)˙.
            pace, pace_dot = ln_2 * dt, ln_2 * dt_dot
            b_row, c_row = p[B] + batch * p[B + 1] + row * p[B + 2], p[C] + batch * p[C + 1] + row * p[C + 2]
            b_dots = p[DB] + batch * p[DB + 1] + row * p[DB + 2]
            c_dots = p[DC] + batch * p[DC + 1] + row * p[DC + 2]
            for n in range(states):
                e = exp2_product(dt, load(used + n * BYTES))
                h = load(hidden + n * BYTES)
                growth = fma(pace_dot, load(rates + n * BYTES), pace * load(drates + n * BYTES))
                b = spread(b_row + 4 * n)
                added = fma(dx_dot, b, dx * spread(b_dots + 4 * n))
                h_dot = fma(e, fma(growth, h, load(moved + n * BYTES)), added)
                h = fma(e, h, dx * b)
                store(hidden + n * BYTES, h)
                store(moved + n * BYTES, h_dot)
                c = spread(c_row + 4 * n)
                y = fma(c, h, y)
                y_dot = fma(c, h_dot, fma(spread(c_dots + 4 * n), h, y_dot))
            if p[Z] != 0:
                gate = load_row(p[Z] + batch * p[Z + 1] + row * p[Z + 2] + offset * size, width, half)
                gate_dot = load_row(p[DZ] + batch * p[DZ + 1] + row * p[DZ + 2] + offset * size, width, half)
                s = sigmoid(gate)
                y_dot = s * fma(gate, y_dot, y * gate_dot * fma(gate, one - s, one))
            store_row(p[DY] + batch * p[DY + 1] + row * p[DY + 2] + offset * size, y_dot, width, half)
            since += 1
        task = next_ticket(p.ctypes.data)
    scratch[0] = 0.0  # keeps the buffer alive up to here
