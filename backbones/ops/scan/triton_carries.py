"""Triton kernels for the carries between chunks: start states from the left, gradients from the right."""

from __future__ import annotations

import triton
import triton.language as tl

from backbones.ops.gpu.functions import exp2, sample_and_step, silu, step_size, visited
from backbones.ops.gpu.words import (
    as_channels,
    as_states,
    at_row,
    channel,
    load_channels,
    load_row,
    load_states,
    load_tiles,
    store_tiles,
    zeros,
)


@triton.jit(do_not_specialize=["sequences", "length", "blocks", "chunk", "chunks", "opaque"])
def arrivals(
    delta, A, C, z, bias, order, dy, carry, total,
    delta_b, delta_l, C_b, C_l, z_b, z_l, dy_b, dy_l,
    sequences, length, channels, blocks, chunk, chunks, opaque,
    N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr, STEPS: tl.constexpr,
    SOFTPLUS: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_Z: tl.constexpr, HAS_ORDER: tl.constexpr,
    PAIRED: tl.constexpr, ALIGN: tl.constexpr,
):  # fmt: skip
    """Write each chunk's carry to the chunk before it, as if none came from the right, and its ΣΔ.

    Grid: batch × sequences × (chunks - 1) × channel blocks; the first chunk has none before it.
    """
    pid = tl.program_id(0)
    first = (pid % blocks) * (G * W)
    part = (pid // blocks) % (chunks - 1) + 1
    sequence = (pid // blocks // (chunks - 1)).to(tl.int64)
    b, first_step = sample_and_step(pid // blocks // (chunks - 1), sequences, length)
    begin = first_step + part * chunk
    end = tl.minimum(begin + chunk, first_step + length)
    delta += b * delta_b
    C += b * C_b
    dy += b * dy_b
    if HAS_Z:
        z += b * z_b
    slot = (sequence * chunks + part) * channels
    rates = load_tiles(A, first, channels, opaque, N, NP, G, W, PAIRED)
    q = zeros(NP, G, W)
    sums = ()
    for _ in tl.static_range(G):
        sums += (tl.zeros((W,), tl.float32),)
    biases = sums
    if HAS_BIAS:
        biases = load_row(bias, first, channels, G, W)

    for back in range(0, end - begin, STEPS):
        last = end - 1 - back
        Cs = ()
        deltas = ()
        dys = ()
        zs = ()
        for t in tl.static_range(STEPS):
            row = visited(order, last - t, end, HAS_ORDER)
            Cs += (load_states(at_row(C, row, C_l), N, NP, ALIGN),)
            deltas += (load_channels(at_row(delta, row, delta_l), first, channels, G, W, PAIRED),)
            dys += (load_channels(at_row(dy, row, dy_l), first, channels, G, W, PAIRED),)
            if HAS_Z:
                zs += (load_channels(at_row(z, row, z_l), first, channels, G, W, PAIRED),)
        for t in tl.static_range(STEPS):
            c_t = as_states(Cs[t], C, ALIGN)
            raw = as_channels(deltas[t], delta, G, PAIRED)
            inners = as_channels(dys[t], dy, G, PAIRED)
            carried = ()
            added = ()
            for g in tl.static_range(G):
                dt = step_size(raw[g], HAS_BIAS, SOFTPLUS, biases[g])
                inner = inners[g]
                if HAS_Z:
                    inner *= silu(as_channels(zs[t], z, G, PAIRED)[g])
                if t > 0:  # a chunk of an odd length ends in a step that is the chunk's before it
                    dt = tl.where(last - t >= begin, dt, 0.0)
                    inner = tl.where(last - t >= begin, inner, 0.0)
                for s in tl.static_range(4):
                    carried += (exp2(dt[None, :] * rates[4 * g + s]) * (q[4 * g + s] + inner[None, :] * c_t[s]),)
                added += (sums[g] + dt,)
            q = carried
            sums = added

    store_tiles(carry + slot * N, q, first, channels, opaque, N, NP, G, W, PAIRED)
    for g in tl.static_range(G):
        c = channel(first, g, G, W)
        tl.store(total + slot + c, sums[g], mask=c < channels)


@triton.jit(do_not_specialize=["chunks", "blocks"])
def carries(
    A, carry, total, channels, chunks, blocks,
    N: tl.constexpr, BLOCK: tl.constexpr, BATCH: tl.constexpr, REVERSE: tl.constexpr,
):  # fmt: skip
    """Turn the chunks' own end states into start states, in place: a linear scan with decays exp2(A ΣΔ).

    Grid: batch × sequences × N × channel blocks. REVERSE walks the chunks backwards: own gradients at chunk
    starts become gradients that arrive at chunk ends. BATCH chunks are loaded at once: the chain itself is a
    multiply-add.
    """
    pid = tl.program_id(0)
    c = (pid % blocks) * BLOCK + tl.arange(0, BLOCK)
    n = (pid // blocks) % N
    slot = (pid // blocks // N).to(tl.int64) * chunks
    inside = c < channels
    rate = tl.load(A + n * channels + c, mask=inside, other=0.0)
    h = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, chunks, BATCH):
        own = ()
        sums = ()
        for j in tl.static_range(BATCH):
            k = start + j
            part = chunks - 1 - k if REVERSE else k
            # No chunk needs the last one's own value, so it was never written.
            known = c < tl.where(k < chunks - 1, channels, 0)
            own += (tl.load(carry + ((slot + part) * N + n) * channels + c, mask=known, other=0.0),)
            sums += (tl.load(total + (slot + part) * channels + c, mask=known, other=0.0),)
        for j in tl.static_range(BATCH):
            k = start + j
            part = chunks - 1 - k if REVERSE else k
            tl.store(carry + ((slot + part) * N + n) * channels + c, h, mask=c < tl.where(k < chunks, channels, 0))
            h = exp2(rate * sums[j]) * h + own[j]
