"""The decays within chunks that the dual form multiplies by, compiled by numba at first use and cached on disk.

A call goes through a few chunks of one sample; the names are those of :mod:`cpu_dual`. All tensors but v are contiguous
float32: rows (steps, heads · V), one number a head (steps, heads), pairs of steps (chunks, heads, CHUNK, CHUNK) or, for
all heads, (chunks, CHUNK, CHUNK), states (chunks, K, heads · V).
"""

from __future__ import annotations

import numba
import numpy as np

from backbones.ops.cpu.compilation import kernel
from backbones.ops.cpu.vector import next_ticket
from backbones.ops.matrix_state.cpu_kernels import CHUNK
from backbones.ops.norm.cpu import row_of

# Indices in the int64 array that a kernel receives; the first is the ticket, the second the number of tasks. V_STEP and
# V_HEAD are the floats from a row of v to the next step's and the next head's.
(HEADS, VALUES, KEYS, V_STEP, V_HEAD) = range(2, 7)
(A, BETA, V, DO, G, M, W, W_OUT, DO_IN, INTO, OUT) = range(7, 18)
(DM, DG, DA, INNER, OUTER, READ, STATE, BEHIND, DV, DBETA) = range(18, 28)
ARGUMENTS = 28

_NOTHING = np.float32(1e-24)
"""Decays below are zero: products with subnormal numbers cost a microcode assist each."""

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_FAST = {"reassoc", "contract", "nsz"}  # a NaN stays one


@numba.njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _decayed(factors, a, count):
    """Multiply the first ``count`` factors by a step's decay."""
    for j in range(count):
        value = factors[j] * a
        factors[j] = _ZERO if value < _NOTHING else value


@numba.njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _product(x, y, target, count):
    for j in range(count):
        target[j] = x[j] * y[j]


@numba.njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _scaled(x, factor, target):
    for j in range(len(x)):
        target[j] = x[j] * factor


@numba.njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _pairs_back(dm, factors, g, dg, count):
    """Add a row to the gradient of the products q·k, and leave that of the logarithms of the factors in ``dm``."""
    for j in range(count):
        value = dm[j] * factors[j]
        dg[j] += value
        dm[j] = value * g[j]


@numba.njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _added(total, x, count):
    """Add x to the total, and return the sum of the total without its last number."""
    for j in range(count):
        total[j] += x[j]
    result = _ZERO
    for j in range(count - 1):
        result += total[j]
    return result


@numba.njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _dot(x, y):
    result = _ZERO
    for j in range(len(x)):
        result += x[j] * y[j]
    return result


@numba.njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _written_back(inner, outer, out, strength, v, dv):
    """Write the gradient of a row of v, and return that of its strength."""
    result = _ZERO
    for j in range(len(v)):
        value = inner[j] + out * outer[j]
        dv[j] = value * strength
        result += value * v[j]
    return result


@numba.njit(nogil=True, forceinline=True)
def _part(address, row, heads, head, values):
    """Return a head's part of a row."""
    return row_of(address, row * heads + head, values)


@kernel
def weigh(arguments):
    """Write M, W, out · W, into · do, into and out; a task is a chunk of a head.

    M[i, j] = G[i, j] times the decay from step j to step i, zero for j > i, where G[i, j] = q_i·k_j.
    """
    p = numba.carray(arguments, (ARGUMENTS,), np.int64)
    heads, values = p[HEADS], p[VALUES]
    factors = np.empty(CHUNK, np.float32)
    task = next_ticket(p.ctypes.data)
    while task < p[1]:
        chunk, head = task // heads, task % heads
        factors[:] = _ZERO
        into = _ONE
        for i in range(CHUNK):
            row = chunk * CHUNK + i
            a = row_of(p[A], row, heads)[head]
            strength = row_of(p[BETA], row, heads)[head] if p[BETA] != 0 else _ONE
            into = _ZERO if into * a < _NOTHING else into * a
            _decayed(factors, a, i)
            factors[i] = _ONE
            _product(factors, row_of(p[G], row, CHUNK), row_of(p[M], task * CHUNK + i, CHUNK), CHUNK)
            v = row_of(p[V] + 4 * (row * p[V_STEP] + head * p[V_HEAD]), 0, values)
            _scaled(v, strength, _part(p[W], row, heads, head, values))
            _scaled(_part(p[DO], row, heads, head, values), into, _part(p[DO_IN], row, heads, head, values))
            row_of(p[INTO], row, heads)[head] = into
        for i in range(CHUNK):
            row = chunk * CHUNK + i
            row_of(p[OUT], row, heads)[head] = factors[i]
            written = _part(p[W], row, heads, head, values)
            _scaled(written, factors[i], _part(p[W_OUT], row, heads, head, values))
        task = next_ticket(p.ctypes.data)


@kernel
def unweigh(arguments):
    """Write the gradients of G and of the decays' logarithms from M's, which is overwritten; a task is a chunk."""
    p = numba.carray(arguments, (ARGUMENTS,), np.int64)
    heads = p[HEADS]
    factors, total = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32)
    chunk = next_ticket(p.ctypes.data)
    while chunk < p[1]:
        for i in range(CHUNK):
            row_of(p[DG], chunk * CHUNK + i, CHUNK)[:] = _ZERO
        for head in range(heads):
            first = (chunk * heads + head) * CHUNK
            for i in range(CHUNK):
                row = chunk * CHUNK + i
                _decayed(factors, row_of(p[A], row, heads)[head], i)
                factors[i] = _ONE
                dm, g = row_of(p[DM], first + i, CHUNK), row_of(p[G], row, CHUNK)
                _pairs_back(dm, factors, g, row_of(p[DG], row, CHUNK), i + 1)
            # A decay enters every pair of a later and an earlier step that it lies between.
            total[:] = _ZERO
            for i in range(CHUNK - 1, -1, -1):
                dm = row_of(p[DM], first + i, CHUNK)
                row_of(p[DA], chunk * CHUNK + i, heads)[head] = _added(total, dm, i + 1)
        chunk = next_ticket(p.ctypes.data)


@kernel
def finish(arguments):
    """Write dv and dβ, and add to the logarithms' gradient what comes through the states; a task is a chunk of a head.

    A decay enters the state before the chunk on its way to all later steps and to the end, and what earlier steps write
    on its way to the end.
    """
    p = numba.carray(arguments, (ARGUMENTS,), np.int64)
    heads, values, keys = p[HEADS], p[VALUES], p[KEYS]
    inflow = np.empty(CHUNK, np.float32)
    task = next_ticket(p.ctypes.data)
    while task < p[1]:
        chunk, head = task // heads, task % heads
        through = _ZERO
        for n in range(keys):
            row = chunk * keys + n
            through += _dot(_part(p[STATE], row, heads, head, values), _part(p[BEHIND], row, heads, head, values))
        through *= row_of(p[INTO], chunk * CHUNK + CHUNK - 1, heads)[head]
        for i in range(CHUNK):
            row = chunk * CHUNK + i
            out = row_of(p[OUT], row, heads)[head]
            outer, written = _part(p[OUTER], row, heads, head, values), _part(p[W], row, heads, head, values)
            do, read = _part(p[DO], row, heads, head, values), _part(p[READ], row, heads, head, values)
            inflow[i] = _dot(do, read) * row_of(p[INTO], row, heads)[head]
            da = row_of(p[DA], row, heads)
            da[head] += through
            through += out * _dot(written, outer)
            strength = row_of(p[BETA], row, heads)[head] if p[BETA] != 0 else _ONE
            v = row_of(p[V] + 4 * (row * p[V_STEP] + head * p[V_HEAD]), 0, values)
            inner = row_of(p[INNER], task * CHUNK + i, values)
            dv = _part(p[DV], row, heads, head, values)
            dbeta = _written_back(inner, outer, out, strength, v, dv)
            if p[DBETA] != 0:
                row_of(p[DBETA], row, heads)[head] = dbeta
        suffix = _ZERO
        for i in range(CHUNK - 1, -1, -1):
            suffix += inflow[i]
            row_of(p[DA], chunk * CHUNK + i, heads)[head] += suffix
        task = next_ticket(p.ctypes.data)
