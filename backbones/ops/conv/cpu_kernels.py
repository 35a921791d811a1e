"""Depthwise causal convolution and its gradient on a CPU, along a visiting order, with SiLU fused.

Step k: p_k = bias + Σ_i w_i x[order[k - width + 1 + i]], y[order[k]] = silu(p_k); steps below 0 are zeros.
With G_k = dy[order[k]] silu'(p_k): dx[order[j]] = Σ_i w_i G_{j + width - 1 - i}, dw_i = Σ_k G_k x[...].
"""

from __future__ import annotations

import numba
import numpy as np

from backbones.ops.cpu.compilation import kernel
from backbones.ops.cpu.vector import BYTES, LANES, fill, fma, load, load_row, next_ticket, store, store_row
from backbones.ops.scan.cpu_forward import fetch, sigmoid, visited

# Indices of the arguments in the int64 array that a kernel receives; a tensor takes three, as in `scan.cpu_forward`.
(X, Y, DY, DX) = range(2, 14, 3)
# LENGTH rows are visited in runs of STEPS, whose first step has none before it.
(WEIGHT, BIAS, ORDER, LENGTH, CHANNELS, WIDTH, SILU, HALF, DWEIGHT, DBIAS, STEPS) = range(14, 25)
ARGUMENTS = 25

_AHEAD = 16  # rows between a prefetch and its use
_BLOCK = 16  # steps whose gradients are buffered before dx is written
_ONE = np.float32(1.0)


@numba.njit(nogil=True, forceinline=True)
def _window(p, base, k, first, width, half, taps, lanes, bias):
    """Return p_k of the docstring: the bias and up to `width` visited rows of a run that end with step k."""
    value = bias
    for i in range(max(0, width - 1 - (k - first)), width):
        row = visited(p[ORDER], k - width + 1 + i)
        value = fma(load(taps + i * BYTES), load_row(base + row * p[X + 2], lanes, half), value)
    return value


@kernel
def conv(arguments):
    """Do tasks of the convolution until none is left; task = batch * groups + group of LANES channels."""
    p = numba.carray(arguments, (ARGUMENTS,), np.int64)
    length, channels, width, half, order = p[LENGTH], p[CHANNELS], p[WIDTH], p[HALF], p[ORDER]
    size = 2 if half != 0 else 4
    groups = (channels + LANES - 1) // LANES
    zero = fill(np.float32(0.0))
    tasks = p[1]
    task = next_ticket(p.ctypes.data)
    while task < tasks:
        batch, group = task // groups, task % groups
        offset = group * LANES
        lanes = min(LANES, channels - offset)
        taps = p[WEIGHT] + group * width * BYTES
        bias = load_row(p[BIAS] + 4 * offset, lanes, 0) if p[BIAS] != 0 else zero
        x_base = p[X] + batch * p[X + 1] + offset * size
        y_base = p[Y] + batch * p[Y + 1] + offset * size
        first = 0
        for k in range(length):
            if k == first + p[STEPS]:
                first = k
            if k + _AHEAD < length:
                ahead = visited(order, k + _AHEAD)
                fetch(x_base + ahead * p[X + 2], lanes * size)
                fetch(y_base + ahead * p[Y + 2], lanes * size)
            y = _window(p, x_base, k, first, width, half, taps, lanes, bias)
            if p[SILU] != 0:
                y = y * sigmoid(y)
            store_row(y_base + visited(order, k) * p[Y + 2], y, lanes, half)
        task = next_ticket(p.ctypes.data)


@numba.njit(nogil=True, forceinline=True)
def _slope(p, k, first, x_base, dy_base, taps, lanes, bias):
    """Return G_k of the docstring."""
    half = p[HALF]
    g = load_row(dy_base + visited(p[ORDER], k) * p[DY + 2], lanes, half)
    if p[SILU] != 0:
        value = _window(p, x_base, k, first, p[WIDTH], half, taps, lanes, bias)
        s, one = sigmoid(value), fill(_ONE)
        g = g * s * fma(value, one - s, one)
    return g


@kernel
def conv_gradient(arguments):
    """Do tasks of the gradient until none is left; dweight and dbias are float32 partial sums per batch entry."""
    p = numba.carray(arguments, (ARGUMENTS,), np.int64)
    length, channels, width, half, order = p[LENGTH], p[CHANNELS], p[WIDTH], p[HALF], p[ORDER]
    size = 2 if half != 0 else 4
    groups = (channels + LANES - 1) // LANES
    scratch = np.empty((_BLOCK + width) * LANES + 16, np.float32)
    buffer = (scratch.ctypes.data + 63) // 64 * 64  # G of the steps [done, done + _BLOCK + width - 1)
    zero = fill(np.float32(0.0))
    tasks = p[1]
    task = next_ticket(p.ctypes.data)
    while task < tasks:
        batch, group = task // groups, task % groups
        offset = group * LANES
        lanes = min(LANES, channels - offset)
        taps = p[WEIGHT] + group * width * BYTES
        bias = load_row(p[BIAS] + 4 * offset, lanes, 0) if p[BIAS] != 0 else zero
        x_base = p[X] + batch * p[X + 1] + offset * size
        dy_base = p[DY] + batch * p[DY + 1] + offset * size
        dx_base = p[DX] + batch * p[DX + 1] + offset * size
        dtaps = p[DWEIGHT] + (batch * groups + group) * width * BYTES
        dbias = zero
        for first in range(0, length, p[STEPS]):
            end = first + p[STEPS]
            known = first  # steps whose G has been computed
            for done in range(first, end, _BLOCK):
                stop = min(end, done + _BLOCK)
                for k in range(known, stop + width - 1):
                    g = zero
                    if k < end:
                        if k + _AHEAD < length:
                            ahead = visited(order, k + _AHEAD)
                            fetch(x_base + ahead * p[X + 2], lanes * size)
                            fetch(dy_base + ahead * p[DY + 2], lanes * size)
                            fetch(dx_base + ahead * p[DX + 2], lanes * size)
                        g = _slope(p, k, first, x_base, dy_base, taps, lanes, bias)
                        dbias = dbias + g
                        for i in range(max(0, width - 1 - (k - first)), width):
                            x = load_row(x_base + visited(order, k - width + 1 + i) * p[X + 2], lanes, half)
                            store(dtaps + i * BYTES, fma(g, x, load(dtaps + i * BYTES)))
                    store(buffer + (k - done) * BYTES, g)
                known = stop + width - 1
                for j in range(done, stop):
                    dx = zero
                    for i in range(width):
                        dx = fma(load(taps + i * BYTES), load(buffer + (j - done + width - 1 - i) * BYTES), dx)
                    store_row(dx_base + visited(order, j) * p[DX + 2], dx, lanes, half)
                for k in range(width - 1):  # the steps beyond this block come first in the next one
                    store(buffer + k * BYTES, load(buffer + (stop - done + k) * BYTES))
        store(p[DBIAS] + (batch * groups + group) * BYTES, dbias)
        task = next_ticket(p.ctypes.data)
    scratch[0] = 0.0  # keeps the memory alive up to here
