"""RMSNorm and a gate SiLU(z) on a CPU, in one pass over memory each way besides the sigmoid's.

With s = sigmoid(z), g = z s and r = 1 / sqrt(mean x² + eps) a row:

    gate first:   u = y g,   out = u r weight   (x = u)
    norm first:   out = y r weight g            (x = y)

A task is a run of rows, with its own sums over rows, so that results do not depend on the threads.
"""

from __future__ import annotations

import numba
import numpy as np

from backbones.ops.cpu.compilation import kernel
from backbones.ops.cpu.vector import next_ticket
from backbones.ops.norm.cpu import row_of

# Indices in the int64 array that a kernel receives; the first is the ticket, the second the number of tasks.
(ROWS, WIDTH, GATE_FIRST, EPS, Y, Z, S, WEIGHT, OUT, RATE, DOUT, DY, DZ, DWEIGHT) = range(2, 16)
ARGUMENTS = 16

_ONE = np.float32(1.0)


@numba.njit(nogil=True, fastmath=True, error_model="numpy")
def _forward_row(y, z, s, weight, out, eps, gate_first):
    """Compute one row and return its rate r."""
    width = len(y)
    square = np.float32(0.0)
    if gate_first:
        for i in range(width):
            value = y[i] * z[i] * s[i]
            out[i] = value
            square += value * value
        rate = _ONE / np.sqrt(square / np.float32(width) + eps)
        for i in range(width):
            out[i] *= rate * weight[i]
    else:
        for i in range(width):
            square += y[i] * y[i]
        rate = _ONE / np.sqrt(square / np.float32(width) + eps)
        for i in range(width):
            out[i] = y[i] * rate * weight[i] * z[i] * s[i]
    return rate


@numba.njit(nogil=True, fastmath=True, error_model="numpy")
def _backward_row(y, z, s, weight, rate, dout, dy, dz, dweight, gate_first):
    """Compute one row of the gradients of y and z, and add its part of the weight's to the sum."""
    width = len(y)
    dot = np.float32(0.0)
    if gate_first:
        for i in range(width):
            u = y[i] * z[i] * s[i]
            dweight[i] += dout[i] * u * rate
            dot += dout[i] * weight[i] * u
        pull = dot / np.float32(width) * rate * rate * rate
        for i in range(width):
            gate = z[i] * s[i]
            du = rate * dout[i] * weight[i] - pull * y[i] * gate
            dy[i] = du * gate
            dz[i] = du * y[i] * s[i] * (_ONE + z[i] * (_ONE - s[i]))
    else:
        for i in range(width):
            normal = y[i] * rate
            gate = z[i] * s[i]
            dweight[i] += dout[i] * gate * normal
            dot += dout[i] * gate * weight[i] * y[i]
            dz[i] = dout[i] * normal * weight[i] * s[i] * (_ONE + z[i] * (_ONE - s[i]))
        pull = dot / np.float32(width) * rate * rate * rate
        for i in range(width):
            dy[i] = rate * dout[i] * z[i] * s[i] * weight[i] - pull * y[i]


@kernel
def forward(arguments):
    """Write out and the rates of every row."""
    p = numba.carray(arguments, (ARGUMENTS,), np.int64)
    rows, width, gate_first = p[ROWS], p[WIDTH], p[GATE_FIRST] != 0
    eps = row_of(p[EPS], 0, 1)[0]
    weight = row_of(p[WEIGHT], 0, width)
    rates = row_of(p[RATE], 0, rows)
    task = next_ticket(p.ctypes.data)
    while task < p[1]:
        for row in range(task * rows // p[1], (task + 1) * rows // p[1]):
            y, z, s = row_of(p[Y], row, width), row_of(p[Z], row, width), row_of(p[S], row, width)
            rates[row] = _forward_row(y, z, s, weight, row_of(p[OUT], row, width), eps, gate_first)
        task = next_ticket(p.ctypes.data)


@kernel
def backward(arguments):
    """Write the gradients of y and z in every row, and each task's sum for the weight."""
    p = numba.carray(arguments, (ARGUMENTS,), np.int64)
    rows, width, gate_first = p[ROWS], p[WIDTH], p[GATE_FIRST] != 0
    weight = row_of(p[WEIGHT], 0, width)
    rates = row_of(p[RATE], 0, rows)
    task = next_ticket(p.ctypes.data)
    while task < p[1]:
        dweight = row_of(p[DWEIGHT], task, width)
        dweight[:] = 0.0
        for row in range(task * rows // p[1], (task + 1) * rows // p[1]):
            y, z, s = row_of(p[Y], row, width), row_of(p[Z], row, width), row_of(p[S], row, width)
            dout, dy, dz = row_of(p[DOUT], row, width), row_of(p[DY], row, width), row_of(p[DZ], row, width)
            _backward_row(y, z, s, weight, rates[row], dout, dy, dz, dweight, gate_first)
        task = next_ticket(p.ctypes.data)
