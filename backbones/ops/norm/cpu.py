"""Residual addition, RMSNorm, adaLN's modulation and gate on a CPU: one pass over memory each way.

Written op by op, PyTorch passes over the tokens about a dozen times forward and twice that backward, and at the
widths of these networks each pass is bound by memory. With r = 1 / sqrt(mean x² + eps) a row:

    total = x + residual,   h = total · r · weight,   m = h (1 + scale) + shift
    out = h + gate · branch

A task is a run of rows of one sample. Each task has its own sums over rows, so results do not depend on the threads.
"""

from __future__ import annotations

import numba
import numpy as np

from backbones.ops.cpu.compilation import kernel
from backbones.ops.cpu.vector import next_ticket

# Indices in the int64 array that a kernel receives; the first is the ticket, the second the number of tasks.
(SAMPLES, PARTS, LENGTH, WIDTH, STRIDE, EPS) = range(2, 8)
(X, RESIDUAL, TOTAL, H, M, RATE, WEIGHT, SHIFT, SCALE) = range(8, 17)
(DTOTAL, DH, DM, DX, DWEIGHT, DSHIFT, DSCALE) = range(17, 24)
(GRAD, BRANCH, GATE, DBRANCH, DGATE) = range(24, 29)
ARGUMENTS = 29

_ONE = np.float32(1.0)


@numba.njit(nogil=True, fastmath=True, error_model="numpy")
def _forward_row(x, residual, total, h, m, weight, shift, scale, eps):
    """Compute one row and return its rate r; an empty array stands for an absent tensor."""
    width = len(x)
    square = np.float32(0.0)
    if len(residual):
        for i in range(width):
            value = x[i] + residual[i]
            total[i] = value
            square += value * value
    else:
        for i in range(width):
            square += x[i] * x[i]
    rate = _ONE / np.sqrt(square / np.float32(width) + eps)
    source = total if len(residual) else x
    if len(h):
        for i in range(width):
            value = source[i] * rate * weight[i]
            h[i] = value
            m[i] = value * (_ONE + scale[i]) + shift[i]
    else:
        for i in range(width):
            m[i] = source[i] * rate * weight[i] * (_ONE + scale[i]) + shift[i]
    return rate


@numba.njit(nogil=True, fastmath=True, error_model="numpy")
def _backward_row(total, rate, weight, scale, dtotal, dh, dm, dx, sum_h, sum_m, sum_shift):
    """Compute one row of the gradient, and add its part of the gradients of weight, shift and scale to the sums."""
    width = len(total)
    dot = np.float32(0.0)
    if len(dh):
        for i in range(width):
            normal = total[i] * rate
            through = (dh[i] + dm[i] * (_ONE + scale[i])) * weight[i]
            dx[i] = through
            dot += through * normal
            sum_h[i] += dh[i] * normal
            sum_m[i] += dm[i] * normal
            sum_shift[i] += dm[i]
    else:
        for i in range(width):
            normal = total[i] * rate
            through = dm[i] * (_ONE + scale[i]) * weight[i]
            dx[i] = through
            dot += through * normal
            sum_m[i] += dm[i] * normal
            sum_shift[i] += dm[i]
    pull = dot / np.float32(width) * rate * rate
    if len(dtotal):
        for i in range(width):
            dx[i] = rate * dx[i] - pull * total[i] + dtotal[i]
    else:
        for i in range(width):
            dx[i] = rate * dx[i] - pull * total[i]


@numba.njit(nogil=True, fastmath=True, error_model="numpy")
def _gate_row(grad, branch, gate, dbranch, sum_gate):
    """Compute one row of the gated sum's gradient."""
    for i in range(len(grad)):
        dbranch[i] = grad[i] * gate[i]
        sum_gate[i] += grad[i] * branch[i]


@numba.njit(nogil=True, inline="always")
def row_of(address, row, width):
    """Return row ``row`` of a dense float32 matrix of ``width`` columns; an empty array where there is no matrix."""
    if address == 0:
        return numba.carray(_pointer(address), (0,), np.float32)
    return numba.carray(_pointer(address + row * width * 4), (width,), np.float32)


@numba.extending.intrinsic
def _pointer(typingctx, address):
    """Return a pointer to float32 at an address."""

    def emit(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return numba.types.CPointer(numba.types.float32)(numba.types.int64), emit


@numba.njit(nogil=True, inline="always")
def _rows_of(p, task):
    """Sample, first and last row of a task."""
    sample, part = task // p[PARTS], task % p[PARTS]
    length = p[LENGTH]
    return sample, sample * length + part * length // p[PARTS], sample * length + (part + 1) * length // p[PARTS]


@kernel
def forward(arguments):
    """Write total, h, m and the rates of every row."""
    p = numba.carray(arguments, (ARGUMENTS,), np.int64)
    width = p[WIDTH]
    eps = row_of(p[EPS], 0, 1)[0]
    weight = row_of(p[WEIGHT], 0, width)
    task = next_ticket(p.ctypes.data)
    while task < p[1]:
        sample, first, last = _rows_of(p, task)
        shift = row_of(p[SHIFT] + sample * p[STRIDE], 0, width)
        scale = row_of(p[SCALE] + sample * p[STRIDE], 0, width)
        rates = row_of(p[RATE], 0, p[SAMPLES] * p[LENGTH])
        for row in range(first, last):
            rates[row] = _forward_row(
                row_of(p[X], row, width),
                row_of(p[RESIDUAL], row, width),
                row_of(p[TOTAL], row, width),
                row_of(p[H], row, width),
                row_of(p[M], row, width),
                weight,
                shift,
                scale,
                eps,
            )
        task = next_ticket(p.ctypes.data)


@kernel
def backward(arguments):
    """Write dx of every row, and each task's sums for weight, shift and scale."""
    p = numba.carray(arguments, (ARGUMENTS,), np.int64)
    width = p[WIDTH]
    weight = row_of(p[WEIGHT], 0, width)
    task = next_ticket(p.ctypes.data)
    while task < p[1]:
        sample, first, last = _rows_of(p, task)
        scale = row_of(p[SCALE] + sample * p[STRIDE], 0, width)
        rates = row_of(p[RATE], 0, p[SAMPLES] * p[LENGTH])
        sum_h, sum_m = row_of(p[DWEIGHT], task, width), row_of(p[DSCALE], task, width)
        sum_shift = row_of(p[DSHIFT], task, width)
        sum_h[:] = 0.0
        sum_m[:] = 0.0
        sum_shift[:] = 0.0
        for row in range(first, last):
            _backward_row(
                row_of(p[TOTAL], row, width),
                rates[row],
                weight,
                scale,
                row_of(p[DTOTAL], row, width),
                row_of(p[DH], row, width),
                row_of(p[DM], row, width),
                row_of(p[DX], row, width),
                sum_h,
                sum_m,
                sum_shift,
            )
        for i in range(width):
            sum_h[i] += sum_m[i] * (_ONE + scale[i])
            sum_m[i] *= weight[i]
        task = next_ticket(p.ctypes.data)


@kernel
def gate_backward(arguments):
    """Write the branch's gradient in every row, and each task's sum for the gate."""
    p = numba.carray(arguments, (ARGUMENTS,), np.int64)
    width = p[WIDTH]
    task = next_ticket(p.ctypes.data)
    while task < p[1]:
        sample, first, last = _rows_of(p, task)
        gate = row_of(p[GATE] + sample * p[STRIDE], 0, width)
        sums = row_of(p[DGATE], task, width)
        sums[:] = 0.0
        for row in range(first, last):
            _gate_row(
                row_of(p[GRAD], row, width), row_of(p[BRANCH], row, width), gate, row_of(p[DBRANCH], row, width), sums
            )
        task = next_ticket(p.ctypes.data)
