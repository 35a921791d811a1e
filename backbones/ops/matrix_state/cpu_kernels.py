"""The recurrence with a matrix-valued state on a CPU, compiled by numba at first use and cached on disk.

A state of K rows and LANES columns stays in the processor's caches, and every step updates it once: as many operations
as the chunked form, without its factors of decays. Columns do not meet: LANES of a head's are walked through together.
Without the delta rule rows do not meet either, and are walked through a block at a time.

The forward pass saves the state before each chunk of steps. The backward pass walks through a chunk three times: for
the states before every few steps, for those of these steps, and from the last step to the first for the gradients.
"""

from __future__ import annotations

import numba
import numpy as np

from backbones.ops.cpu.compilation import kernel
from backbones.ops.cpu.sums import PARTIAL, add_sums, store_dot
from backbones.ops.cpu.vector import (
    BYTES,
    LANES,
    fill,
    fma,
    load,
    load_float,
    load_row,
    next_ticket,
    spread,
    store,
    store_float,
    store_row,
)

CHUNK = 64  # steps between two saved states
ROWS = 8  # the number of rows is a multiple of it
_FEW = 4  # steps whose states are held at once
_BLOCK = 32  # rows of a block

# Indices of a kernel's arguments in the int64 array that it receives; the first two places belong to the workers. Every
# tensor (batch, L, heads, …) of float32 takes four places: address, bytes to the next sample, row and head; address 0
# stands for an absent one. Where heads share q and k, each part of the heads has a sum of its own for their gradients,
# (parts, batch, L, 1, K). EACH is the number of bytes from a row's decay to the next row's: 4, or 0 if they share it.
(Q, K, V, A, BETA, Y, DY, DQ, DK, DV, DA, DBETA) = range(2, 50, 4)
(STATES, LENGTH, HEADS, KEYS, VALUES, CHUNKS, GROUPS, DELTA_RULE, SAMPLES, PARTS, EACH) = range(50, 61)
ARGUMENTS = 61

_ONE = np.float32(1.0)
_DOT = 4 * PARTIAL


@numba.njit(nogil=True, forceinline=True)
def _row(p, tensor, sample, step, head):
    """Return the address of a row of a tensor."""
    return p[tensor] + sample * p[tensor + 1] + step * p[tensor + 2] + head * p[tensor + 3]


@numba.njit(nogil=True, forceinline=True)
def _sum(p, tensor, sample, step, head, part):
    """Return the address of a row of the gradient of q or k."""
    shared = 1 if p[tensor + 3] == 0 else 0
    return _row(p, tensor, sample, step, head) + shared * part * p[SAMPLES] * p[tensor + 1]


@numba.njit(nogil=True, forceinline=True)
def _strength(p, sample, step, head):
    """Return β of a step."""
    return spread(_row(p, BETA, sample, step, head)) if p[BETA] != 0 else fill(_ONE)


@numba.njit(nogil=True, forceinline=True)
def _held(state, k, a, each, rows):
    """Decay the state and return what it holds at the key."""
    total = fill(np.float32(0.0))
    for n in range(rows):
        s = load(state + n * BYTES) * spread(a + n * each)
        store(state + n * BYTES, s)
        total = fma(spread(k + 4 * n), s, total)
    return total


@numba.njit(nogil=True, forceinline=True)
def _copy(source, target, rows):
    for n in range(rows):
        store(target + n * BYTES, load(source + n * BYTES))


@numba.njit(nogil=True, forceinline=True)
def _total(partial, target):
    """Add sixteen partial sums to the float32 at ``target``."""
    total = load_float(target)
    for i in range(PARTIAL):
        total += load_float(partial + 4 * i)
    store_float(target, total)


@kernel
def forward(arguments):
    """Write o, and the state before each chunk."""
    p = numba.carray(arguments, (ARGUMENTS,), np.int64)
    keys, length, groups = p[KEYS], p[LENGTH], p[GROUPS]
    scratch = np.empty(keys * LANES + 16, np.float32)
    base = (scratch.ctypes.data + 63) // 64 * 64
    each = p[EACH]
    block = keys if p[DELTA_RULE] != 0 else _BLOCK
    task = next_ticket(p.ctypes.data)
    while task < p[1]:
        sample, head, group = task // (p[HEADS] * groups), task // groups % p[HEADS], task % groups
        shift, count = group * BYTES, p[VALUES] - group * LANES
        for first in range(0, keys, block):
            rows = min(block, keys - first)
            state = base + first * BYTES
            for n in range(rows):
                store(state + n * BYTES, fill(np.float32(0.0)))
            for t in range(length):
                if t % CHUNK == 0:
                    _copy(state, p[STATES] + ((task * p[CHUNKS] + t // CHUNK) * keys + first) * BYTES, rows)
                q, k = _row(p, Q, sample, t, head) + 4 * first, _row(p, K, sample, t, head) + 4 * first
                a = _row(p, A, sample, t, head) + each * first
                w = load_row(_row(p, V, sample, t, head) + shift, count, 0)
                target = _row(p, Y, sample, t, head) + shift
                if p[DELTA_RULE] != 0:
                    w = (w - _held(state, k, a, each, rows)) * _strength(p, sample, t, head)
                    y = fill(np.float32(0.0))
                    for n in range(rows):
                        s = fma(spread(k + 4 * n), w, load(state + n * BYTES))
                        store(state + n * BYTES, s)
                        y = fma(spread(q + 4 * n), s, y)
                else:
                    w = w * _strength(p, sample, t, head)
                    y = load_row(target, count, 0) if first > 0 else fill(np.float32(0.0))
                    for n in range(rows):
                        s = fma(spread(k + 4 * n), w, load(state + n * BYTES) * spread(a + n * each))
                        store(state + n * BYTES, s)
                        y = fma(spread(q + 4 * n), s, y)
                store_row(target, y, count, 0)
        task = next_ticket(p.ctypes.data)
    scratch[0] = 0.0  # keeps the buffer alive up to here


@numba.njit(nogil=True, forceinline=True)
def _step_back(q, k, a, each, rows, w, do, state, dstate, dots, dq, dk, da, dw, decays):
    """Walk back over one step without the delta rule: read the state after its decay, update the state's gradient.

    ``dw`` and ``decays`` are addresses of vectors that the blocks of rows add to.
    """
    into, through = load(dw), load(decays)
    for first in range(0, rows, ROWS):
        for i in range(ROWS):
            n = first + i
            key, s = spread(k + 4 * n), load(state + n * BYTES)
            d = fma(spread(q + 4 * n), do, load(dstate + n * BYTES))
            into = fma(key, d, into)
            store_dot(dots + i * _DOT, d, w)
            store_dot(dots + (ROWS + i) * _DOT, fma(key, w, s), do)
            if each != 0:
                store_dot(dots + (2 * ROWS + i) * _DOT, d, s)
            else:
                through = fma(d, s, through)
            store(dstate + n * BYTES, d * spread(a + n * each))
        add_sums(dk + 4 * first, dk + 4 * first + 16, dots, dots + 4 * _DOT)
        add_sums(dq + 4 * first, dq + 4 * first + 16, dots + 8 * _DOT, dots + 12 * _DOT)
        if each != 0:
            add_sums(da + 4 * first, da + 4 * first + 16, dots + 16 * _DOT, dots + 20 * _DOT)
    store(dw, into)
    store(decays, through)


@numba.njit(nogil=True, forceinline=True)
def _delta_step_back(q, k, a, rows, w, strength, do, state, dstate, dots, dq, dk, dw, decays):
    """Walk back over one step with the delta rule, whose decay the rows share."""
    into, through, one = fill(np.float32(0.0)), fill(np.float32(0.0)), fill(_ONE)
    for n in range(rows):
        d = fma(spread(q + 4 * n), do, load(dstate + n * BYTES))
        into = fma(spread(k + 4 * n), d, into)
        store(dstate + n * BYTES, d)
    erased = fill(np.float32(0.0)) - into * strength
    decay = spread(a)
    for first in range(0, rows, ROWS):
        for i in range(ROWS):
            n = first + i
            key, s, d = spread(k + 4 * n), load(state + n * BYTES), load(dstate + n * BYTES)
            store_dot(dots + i * _DOT, fma(s, erased, d * w), one)
            store_dot(dots + (ROWS + i) * _DOT, fma(key, w, s), do)
            d = fma(key, erased, d)
            through = fma(d, s, through)
            store(dstate + n * BYTES, d * decay)
        add_sums(dk + 4 * first, dk + 4 * first + 16, dots, dots + 4 * _DOT)
        add_sums(dq + 4 * first, dq + 4 * first + 16, dots + 8 * _DOT, dots + 12 * _DOT)
    store(dw, into)
    store(decays, through)


@kernel
def backward(arguments):
    """Write dv, and add to dq, dk, da and dbeta, which hold zeros."""
    p = numba.carray(arguments, (ARGUMENTS,), np.int64)
    keys, length, groups = p[KEYS], p[LENGTH], p[GROUPS]
    each = p[EACH]
    block = keys if p[DELTA_RULE] != 0 else min(_BLOCK, keys)
    one = fill(_ONE)
    vectors = 3 * CHUNK + keys + (1 + CHUNK // _FEW + _FEW) * block
    scratch = np.empty(vectors * LANES + 3 * ROWS * PARTIAL + 16, np.float32)
    values = (scratch.ctypes.data + 63) // 64 * 64  # v, or v less what the state holds at the key, of each step
    into, decays = values + CHUNK * BYTES, values + 2 * CHUNK * BYTES
    gradient = values + 3 * CHUNK * BYTES
    state = gradient + keys * BYTES
    before = state + block * BYTES
    steps = before + CHUNK // _FEW * block * BYTES
    dots = steps + _FEW * block * BYTES
    task = next_ticket(p.ctypes.data)
    while task < p[1]:
        sample, part = task // p[PARTS], task % p[PARTS]
        low_tile = (sample * p[HEADS] + part * p[HEADS] // p[PARTS]) * groups
        high_tile = (sample * p[HEADS] + (part + 1) * p[HEADS] // p[PARTS]) * groups
        for tile in range(low_tile, high_tile):
            head, group = tile // groups % p[HEADS], tile % groups
            shift, count = group * BYTES, p[VALUES] - group * LANES
            for n in range(keys):
                store(gradient + n * BYTES, fill(np.float32(0.0)))
            for chunk in range(p[CHUNKS] - 1, -1, -1):
                start, stop = chunk * CHUNK, min((chunk + 1) * CHUNK, length)
                for t in range(start, stop):
                    at = (t - start) * BYTES
                    store(values + at, load_row(_row(p, V, sample, t, head) + shift, count, 0))
                    store(into + at, fill(np.float32(0.0)))
                    store(decays + at, fill(np.float32(0.0)))
                for first in range(0, keys, block):
                    rows = min(block, keys - first)
                    _copy(p[STATES] + ((tile * p[CHUNKS] + chunk) * keys + first) * BYTES, state, rows)
                    for t in range(start, stop):
                        at = t - start
                        if at % _FEW == 0:
                            _copy(state, before + at // _FEW * block * BYTES, rows)
                        k, a = _row(p, K, sample, t, head) + 4 * first, _row(p, A, sample, t, head) + each * first
                        w = load(values + at * BYTES)
                        if p[DELTA_RULE] != 0:
                            w = w - _held(state, k, a, each, rows)
                            store(values + at * BYTES, w)
                            w = w * _strength(p, sample, t, head)
                            for n in range(rows):
                                store(state + n * BYTES, fma(spread(k + 4 * n), w, load(state + n * BYTES)))
                        elif at < (stop - start - 1) // _FEW * _FEW:
                            w = w * _strength(p, sample, t, head)
                            for n in range(rows):
                                s = load(state + n * BYTES) * spread(a + n * each)
                                store(state + n * BYTES, fma(spread(k + 4 * n), w, s))
                    for few in range((stop - start - 1) // _FEW, -1, -1):
                        low, high = start + few * _FEW, min(start + (few + 1) * _FEW, stop)
                        _copy(before + few * block * BYTES, state, rows)
                        for t in range(low, high):
                            k, a = _row(p, K, sample, t, head) + 4 * first, _row(p, A, sample, t, head) + each * first
                            w = load(values + (t - start) * BYTES) * _strength(p, sample, t, head)
                            place = steps + (t - low) * block * BYTES
                            for n in range(rows):
                                s = load(state + n * BYTES) * spread(a + n * each)
                                store(place + n * BYTES, s)
                                store(state + n * BYTES, fma(spread(k + 4 * n), w, s))
                        for t in range(high - 1, low - 1, -1):
                            at = (t - start) * BYTES
                            strength = _strength(p, sample, t, head)
                            w = load(values + at) * strength
                            do = load_row(_row(p, DY, sample, t, head) + shift, count, 0)
                            q, k = _row(p, Q, sample, t, head) + 4 * first, _row(p, K, sample, t, head) + 4 * first
                            a = _row(p, A, sample, t, head) + each * first
                            dq = _sum(p, DQ, sample, t, head, part) + 4 * first
                            dk = _sum(p, DK, sample, t, head, part) + 4 * first
                            place, dstate = steps + (t - low) * block * BYTES, gradient + first * BYTES
                            if p[DELTA_RULE] != 0:
                                _delta_step_back(
                                    q, k, a, rows, w, strength, do, place, dstate, dots, dq, dk, into + at, decays + at
                                )
                            elif each != 0:
                                da = _row(p, DA, sample, t, head) + 4 * first
                                _step_back(
                                    q, k, a, 4, rows, w, do, place, dstate, dots, dq, dk, da, into + at, decays + at
                                )
                            else:
                                _step_back(
                                    q, k, a, 0, rows, w, do, place, dstate, dots, dq, dk, 0, into + at, decays + at
                                )
                for t in range(start, stop):
                    at = (t - start) * BYTES
                    strength = _strength(p, sample, t, head)
                    store_row(_row(p, DV, sample, t, head) + shift, load(into + at) * strength, count, 0)
                    if p[BETA] != 0:
                        store_dot(dots, load(into + at), load(values + at))
                        _total(dots, _row(p, DBETA, sample, t, head))
                    if each == 0:
                        store_dot(dots, load(decays + at), one)
                        _total(dots, _row(p, DA, sample, t, head))
        task = next_ticket(p.ctypes.data)
    scratch[0] = 0.0  # keeps the buffer alive up to here
