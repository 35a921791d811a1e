"""Triton kernels for the carries between chunks: start states from the left, gradients from the right."""

from __future__ import annotations

import triton
import triton.language as tl

from backbones.ops.gpu.functions import (
    exp2,
    load_rows,
    load_tiles,
    sample_and_step,
    sigmoid,
    step_size,
    store_tiles,
    visited,
    zeros,
)


@triton.jit(do_not_specialize=["sequences", "length", "blocks", "chunk", "chunks", "opaque"])
def arrivals(
    delta, A, C, z, bias, order, dy, carry, total,
    delta_b, delta_l, C_b, C_l, z_b, z_l, dy_b, dy_l,
    sequences, length, channels, blocks, chunk, chunks, opaque,
    N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr, STEPS: tl.constexpr,
    SOFTPLUS: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_Z: tl.constexpr, HAS_ORDER: tl.constexpr,
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
    n = tl.arange(0, NP)
    rates = load_tiles(A, first, channels, opaque, N, NP, G, W)
    q = zeros(NP, G, W)
    biases = ()
    sums = ()
    for _ in tl.static_range(G):
        sums += (tl.zeros((W,), tl.float32),)
    if HAS_BIAS:
        biases = load_rows(bias, first, channels, G, W)
    else:
        biases = sums

    for back in range(0, chunk, STEPS):
        last = begin + chunk - 1 - back
        rows = ()
        for t in tl.static_range(STEPS):
            rows += (visited(order, last - t, end, HAS_ORDER),)
        Cs = ()
        deltas = ()
        dys = ()
        zs = ()
        for t in tl.static_range(STEPS):
            if N == NP:
                Cs += (tl.load(C + rows[t] * C_l + n),)
            else:
                Cs += (tl.load(C + rows[t] * C_l + n, mask=n < N, other=0.0),)
            limit = tl.where(last - t < end, channels, 0)
            for g in tl.static_range(G):
                c = first + g * W + tl.arange(0, W)
                mask = c < limit
                deltas += (tl.load(delta + rows[t] * delta_l + c, mask=mask, other=0.0),)
                dys += (tl.load(dy + rows[t] * dy_l + c, mask=mask, other=0.0),)
                if HAS_Z:
                    zs += (tl.load(z + rows[t] * z_l + c, mask=mask, other=0.0),)
        for t in tl.static_range(STEPS):
            c_t = Cs[t].to(tl.float32)[:, None]
            carried = ()
            added = ()
            for g in tl.static_range(G):
                dt = step_size(deltas[t * G + g], HAS_BIAS, SOFTPLUS, biases[g])
                dt = tl.where(last - t < end, dt, 0.0)
                inner = dys[t * G + g].to(tl.float32)
                if HAS_Z:
                    z_t = zs[t * G + g].to(tl.float32)
                    inner *= z_t * sigmoid(z_t)
                carried += (exp2(dt[None, :] * rates[g]) * (q[g] + inner[None, :] * c_t),)
                added += (sums[g] + dt,)
            q = carried
            sums = added

    store_tiles(carry + slot * N, q, first, channels, opaque, N, NP, G, W)
    for g in tl.static_range(G):
        c = first + g * W + tl.arange(0, W)
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
