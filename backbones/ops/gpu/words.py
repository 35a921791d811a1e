"""Device functions that read and write two neighbours of a row as one word.

A lane holds pairs of neighbouring channels, and a tile of states is split into the even and the odd ones. Where memory
is aligned, a pair so is one load and one register until it is used, and half as many addresses are computed; 16-bit
numbers become float32 by a shift or a mask. Where it is not, the same pairs are read one by one: PAIRED, and ALIGN for
the rows of states, say which.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def at_row(base, row, stride):
    """Return the address of `row`, for a stride in numbers, of less than 4 GiB.

    The stride in bytes is the same in every step; times a row of 32 bits it is one instruction, the addition included,
    if neither has a sign to extend.
    """
    size = base.dtype.element_ty.primitive_bitwidth // 8
    step = tl.cast(stride * size, tl.uint32).to(tl.int64)
    return (base.to(tl.pointer_type(tl.int8)) + row.to(tl.uint32).to(tl.int64) * step).to(base.dtype)


@triton.jit
def as_words(pointer):
    """Return `pointer` to numbers of 16 or 32 bits as one to words of twice as many."""
    if pointer.dtype.element_ty.primitive_bitwidth == 16:
        return pointer.to(tl.pointer_type(tl.int32))
    else:
        return pointer.to(tl.pointer_type(tl.int64))


@triton.jit
def halves(word, pointer):
    """Return the two numbers of `word` as float32; `pointer` tells their type."""
    if pointer.dtype.element_ty == tl.bfloat16:
        return (word << 16).to(tl.float32, bitcast=True), (word & -65536).to(tl.float32, bitcast=True)
    elif pointer.dtype.element_ty == tl.float16:
        low = word.to(tl.int16).to(tl.float16, bitcast=True).to(tl.float32)
        return low, (word >> 16).to(tl.int16).to(tl.float16, bitcast=True).to(tl.float32)
    else:
        low = word.to(tl.int32).to(tl.float32, bitcast=True)
        return low, (word >> 32).to(tl.int32).to(tl.float32, bitcast=True)


@triton.jit
def joined(low, high, pointer):
    """Return two float32 numbers, rounded to the type of `pointer`, as one word."""
    if pointer.dtype.element_ty.primitive_bitwidth == 16:
        right = low.to(pointer.dtype.element_ty).to(tl.uint16, bitcast=True).to(tl.uint32)
        left = high.to(pointer.dtype.element_ty).to(tl.uint16, bitcast=True).to(tl.uint32)
        return (right | (left << 16)).to(tl.int32, bitcast=True)
    else:
        right = low.to(tl.uint32, bitcast=True).to(tl.uint64)
        left = high.to(tl.uint32, bitcast=True).to(tl.uint64)
        return (right | (left << 32)).to(tl.int64, bitcast=True)


@triton.jit
def channel(first, g: tl.constexpr, G: tl.constexpr, W: tl.constexpr):
    """Return the channels (W,) that are the g-th of their lane: lanes hold pairs of neighbours, one alone if G is 1."""
    if G == 1:
        return first + tl.arange(0, W)
    else:
        return first + g // 2 * (2 * W) + g % 2 + 2 * tl.arange(0, W)


@triton.jit
def load_channels(base, first, channels, G: tl.constexpr, W: tl.constexpr, PAIRED: tl.constexpr):
    """Return G channels a lane of the row at `base`, as they lie in memory; zeros past the last channel."""
    parts = ()
    if PAIRED and G > 1:
        for g in tl.static_range(0, G, 2):
            c = channel(first, g, G, W)
            word = first // 2 + g // 2 * W + tl.arange(0, W)
            parts += (tl.load(as_words(base) + word, mask=c < channels, other=0),)
    else:
        for g in tl.static_range(G):
            c = channel(first, g, G, W)
            parts += (tl.load(base + c, mask=c < channels, other=0.0),)
    return parts


@triton.jit
def as_channels(parts, base, G: tl.constexpr, PAIRED: tl.constexpr):
    """Return what `load_channels` read at `base` as G vectors (W,) in float32."""
    rows = ()
    if PAIRED and G > 1:
        for g in tl.static_range(G // 2):
            low, high = halves(parts[g], base)
            rows += (low, high)
    else:
        for g in tl.static_range(G):
            rows += (parts[g].to(tl.float32),)
    return rows


@triton.jit
def store_channels(base, rows, first, channels, G: tl.constexpr, W: tl.constexpr, PAIRED: tl.constexpr):
    """Write G vectors (W,) into the row at `base`, in its type."""
    if PAIRED and G > 1:
        for g in tl.static_range(0, G, 2):
            c = channel(first, g, G, W)
            word = first // 2 + g // 2 * W + tl.arange(0, W)
            tl.store(as_words(base) + word, joined(rows[g], rows[g + 1], base), mask=c < channels)
    else:
        for g in tl.static_range(G):
            c = channel(first, g, G, W)
            tl.store(base + c, rows[g].to(base.dtype.element_ty), mask=c < channels)


@triton.jit
def _states(q: tl.constexpr, NP: tl.constexpr):
    """Return the states (NP/4,) of the q-th tile: the lower half's even ones, its odd ones, then the upper half's."""
    return q // 2 * (NP // 2) + q % 2 + 2 * tl.arange(0, NP // 4)


@triton.jit
def load_states(base, N: tl.constexpr, NP: tl.constexpr, ALIGN: tl.constexpr):
    """Return a row of N states as it lies in memory, aligned to ALIGN bytes: two tiles of words, else four of numbers.

    ALIGN is 0 where words are not aligned or N is odd.
    """
    parts = ()
    if ALIGN > 0:
        for half in tl.static_range(2):
            words = tl.multiple_of(as_words(base), ALIGN) + (half * (NP // 4) + tl.arange(0, NP // 4))
            if N == NP:
                parts += (tl.load(words),)
            else:
                parts += (tl.load(words, mask=_states(2 * half, NP) < N, other=0),)
    else:
        for q in tl.static_range(4):
            n = _states(q, NP)
            parts += (tl.load(base + n, mask=n < N, other=0.0),)
    return parts


@triton.jit
def as_states(parts, base, ALIGN: tl.constexpr):
    """Return what `load_states` read at `base` as four tiles (NP/4, 1) in float32."""
    tiles = ()
    if ALIGN > 0:
        for half in tl.static_range(2):
            low, high = halves(parts[half], base)
            tiles += (low[:, None], high[:, None])
    else:
        for q in tl.static_range(4):
            tiles += (parts[q].to(tl.float32)[:, None],)
    return tiles


@triton.jit
def columns(pair: tl.constexpr, ROWS: tl.constexpr, W: tl.constexpr, SWAPPED: tl.constexpr):
    """Return where the words of each lane's `pair` of channels lie in a row: (1, W), or (ROWS, W) if SWAPPED.

    SWAPPED, of two pairs: odd rows of a tile hold them in opposite places. Two neighbours then add up one pair each by
    sending the second.
    """
    own = tl.arange(0, W)[None, :]
    if SWAPPED:
        return (pair ^ (tl.arange(0, ROWS) % 2))[:, None] * W + own
    else:
        return pair * W + own


@triton.jit
def load_tiles(
    base, first, channels, opaque, N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr,
    PAIRED: tl.constexpr, SWAPPED: tl.constexpr = False,
):  # fmt: skip
    """Return 4 G tiles (NP/4, W) of a float32 matrix (N, channels): the four of each channel one after another."""
    base += opaque
    tiles = ()
    for pair in tl.static_range((G + 1) // 2):
        second = ()
        for q in tl.static_range(4):
            n = _states(q, NP)[:, None]
            at_pair = columns(pair, NP // 4, W, SWAPPED)
            c = first + (at_pair if G == 1 else 2 * at_pair)
            if G == 1:
                tiles += (tl.load(base + (n * channels + c), mask=(n < N) & (c < channels), other=0.0),)
            elif PAIRED:
                word = n * (channels // 2) + (first // 2 + at_pair)
                low, high = halves(tl.load(as_words(base) + word, mask=(n < N) & (c < channels), other=0), base)
                tiles += (low,)
                second += (high,)
            else:
                at = n * channels + c
                tiles += (tl.load(base + at, mask=(n < N) & (c < channels), other=0.0),)
                second += (tl.load(base + at + 1, mask=(n < N) & (c + 1 < channels), other=0.0),)
        tiles += second
    return tiles


@triton.jit
def store_tiles(
    base, tiles, first, channels, opaque, N: tl.constexpr, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr,
    PAIRED: tl.constexpr, SWAPPED: tl.constexpr = False,
):  # fmt: skip
    """Write 4 G tiles (NP/4, W) into a float32 matrix (N, channels), as `load_tiles` reads them."""
    base += opaque
    for pair in tl.static_range((G + 1) // 2):
        for q in tl.static_range(4):
            n = _states(q, NP)[:, None]
            at_pair = columns(pair, NP // 4, W, SWAPPED)
            c = first + (at_pair if G == 1 else 2 * at_pair)
            if G == 1:
                tl.store(base + (n * channels + c), tiles[q], mask=(n < N) & (c < channels))
            elif PAIRED:
                word = n * (channels // 2) + (first // 2 + at_pair)
                both = joined(tiles[8 * pair + q], tiles[8 * pair + 4 + q], base)
                tl.store(as_words(base) + word, both, mask=(n < N) & (c < channels))
            else:
                at = n * channels + c
                tl.store(base + at, tiles[8 * pair + q], mask=(n < N) & (c < channels))
                tl.store(base + at + 1, tiles[8 * pair + 4 + q], mask=(n < N) & (c + 1 < channels))


@triton.jit
def load_row(base, first, channels, G: tl.constexpr, W: tl.constexpr):
    """Return G vectors (W,) of a vector (channels,) as float32, zeros past the last channel."""
    rows = ()
    for g in tl.static_range(G):
        c = channel(first, g, G, W)
        rows += (tl.load(base + c, mask=c < channels, other=0.0).to(tl.float32),)
    return rows


@triton.jit
def zeros(NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr):
    """Return 4 G tiles (NP/4, W) of zeros."""
    tiles = ()
    for _ in tl.static_range(4 * G):
        tiles += (tl.zeros((NP // 4, W), tl.float32),)
    return tiles
