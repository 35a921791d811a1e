"""Device functions for tiles (states, channels) that the 32 lanes of a warp share: sums over lanes, scratch memory.

A tile (NP/4, W) has a lane for each column and for each of 32 / W rows; a lane holds G channels as four tiles each (see
`backbones.ops.gpu.words`). Many sums over lanes at once take one shuffle a sum, if lanes exchange them: of two values
each lane keeps one, adds its neighbour's to it, and sends the other. `tl.sum` would take as many for each sum as the
lanes have bits, and leave it in all of them.
"""

from __future__ import annotations

import triton
import triton.language as tl

from backbones.ops.gpu.words import as_words, columns, halves, joined


@triton.jit
def row_of_channels(base, G: tl.constexpr, W: tl.constexpr):
    """Return a row of scratch memory as G tiles over the channels of a lane, as `load_tiles` orders them."""
    tiles = ()
    if G == 1:
        tiles += (tl.load(base + tl.arange(0, W)[None, :]),)
    else:
        for pair in tl.static_range(G // 2):
            tiles += halves(tl.load(as_words(base) + columns(pair, 32 // W, W, G == 4 and W < 32)), base)
    return tiles


@triton.jit
def _other(x, BIT: tl.constexpr):
    """Return x (K, 32) as it is in the lane whose number differs in one bit."""
    return tl.gather(x, tl.broadcast_to((tl.arange(0, 32) ^ BIT)[None, :], x.shape), 1)


@triton.jit
def _folded(values, COUNT: tl.constexpr, BIT: tl.constexpr):
    """Return half as many sums over two lanes: of each two, one lane gets the first, that with BIT the second.

    One alone is summed in both lanes.
    """
    if COUNT == 1:
        return (values[0] + _other(values[0], BIT),)
    else:
        sums = ()
        upper = ((tl.arange(0, 32) & BIT) > 0)[None, :]
        for i in tl.static_range(0, COUNT, 2):
            own = tl.where(upper, values[i + 1], values[i])
            sums += (own + _other(tl.where(upper, values[i], values[i + 1]), BIT),)
        return sums


@triton.jit
def summed(values, COUNT: tl.constexpr, BIT: tl.constexpr, END: tl.constexpr):
    """Return `values` summed over the lanes that differ in the bits from BIT on below END, and folded there."""
    if BIT == END:
        return values
    else:
        return summed(_folded(values, COUNT, BIT), max(COUNT // 2, 1), 2 * BIT, END)


@triton.jit
def store_over_states(base, tiles, NP: tl.constexpr, G: tl.constexpr, W: tl.constexpr):
    """Write the sums over the states of G tiles (NP/4, W), one for each channel of a lane, into a row of channels."""
    LANES: tl.constexpr = 32 // W
    SWAPPED: tl.constexpr = G == 4 and W < 32
    sums = ()
    for g in tl.static_range(G):
        own = tl.sum(tl.reshape(tiles[g], (NP // 4 // LANES, LANES, W)), axis=0)
        sums += (tl.reshape(own, (1, 32)),)
    lane = tl.arange(0, 32)[None, :]
    if SWAPPED:
        # Neighbours hold the pairs in opposite places: each sends its second and keeps its first.
        sums = (sums[0] + _other(sums[2], W), sums[1] + _other(sums[3], W))
        first = lane // W % 2 * (2 * W) + 2 * (lane % W)
    elif G == 1:
        first = lane % W
    else:
        first = 2 * (lane % W)
    LEFT: tl.constexpr = 2 if SWAPPED else G
    BIT: tl.constexpr = 2 * W if SWAPPED else W
    sums = summed(sums, LEFT, BIT, 32)
    if BIT < 32 and LEFT > 1:
        tl.store(base + first + lane // BIT % 2, sums[0], mask=lane < 2 * BIT)
    elif LEFT == 1:
        tl.store(base + first, sums[0], mask=lane < W)
    else:
        for pair in tl.static_range(LEFT // 2):
            tl.store(as_words(base) + (first // 2 + pair * W), joined(sums[2 * pair], sums[2 * pair + 1], base))


@triton.jit
def over_channels(tiles, NP: tl.constexpr, W: tl.constexpr):
    """Return the sums of four tiles (NP/4, W) over groups of four columns, of which column q gets the q-th tile's."""
    flat = ()
    for q in tl.static_range(4):
        flat += (tl.reshape(tiles[q], (NP * W // 128, 32)),)
    return summed(flat, 4, 1, 4)


@triton.jit
def places_of_states(dB, dC, NP: tl.constexpr, W: tl.constexpr):
    """Return where each lane writes sums over channels, in the rows at dB and dC, and of which states they are."""
    lane = tl.arange(0, 32)[None, :]
    n = lane // 2 % 2 * (NP // 2) + lane % 2 + 2 * (lane // W + 32 // W * tl.arange(0, NP * W // 128)[:, None])
    return tl.where(lane // 4 % 2 == 0, dB, dC) + n, n


@triton.jit
def store_own(base, tiles, COUNT: tl.constexpr):
    """Write COUNT tiles, each lane's numbers where `load_own` reads them; `base` is a tile of addresses of pairs.

    One by one: as words they would have to lie in neighbouring registers, and be copied there.
    """
    for i in tl.static_range(COUNT):
        tl.store(base + (i // 2 * (2 * base.numel) + i % 2), tiles[i])


@triton.jit
def load_own(base, COUNT: tl.constexpr):
    """Return what `store_own` wrote."""
    tiles = ()
    for i in tl.static_range(0, COUNT, 2):
        tiles += halves(tl.load(as_words(base + i * base.numel)), base)
    return tiles
