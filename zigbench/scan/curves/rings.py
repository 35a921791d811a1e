"""Walks round the rectangle's nested rings: the spiral, and concentric rings in alternating sense."""

from __future__ import annotations

import numpy as np

from zigbench.scan.order import IntArray
from zigbench.scan.registry import curve


@curve("spiral", space_filling=True)
def spiral(h: int, w: int, *, outward: bool = False) -> IntArray:
    """Clockwise from the top-left corner inwards; ``outward`` walks the same path from the centre."""
    inward = _by_rings(h, w, alternate=False)
    return inward[::-1] if outward else inward


@curve("rings", space_filling=True)
def rings(h: int, w: int, *, outward: bool = False) -> IntArray:
    """Concentric rings from the outermost inwards, clockwise and counter-clockwise in turn; continuous."""
    inward = _by_rings(h, w, alternate=True)
    return inward[::-1] if outward else inward


def _by_rings(h: int, w: int, *, alternate: bool) -> IntArray:
    table = np.arange(h * w, dtype=np.int64).reshape(h, w)
    rings = []
    for depth in range((min(h, w) + 1) // 2):
        ring = table[depth : h - depth, depth : w - depth]
        # Counter-clockwise is clockwise on the transposed ring.
        rings.append(_clockwise(ring.T if alternate and depth % 2 else ring))
    return np.concatenate(rings)


def _clockwise(block: IntArray) -> IntArray:
    """Return the border of a block of tokens, clockwise from its top-left corner."""
    if min(block.shape) == 1:
        return block.reshape(-1)
    return np.concatenate([block[0], block[1:, -1], block[-1, -2::-1], block[-2:0:-1, 0]])
