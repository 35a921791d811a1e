"""Walks round the rectangle's nested rings: the spiral, and concentric rings in alternating sense."""

from __future__ import annotations

import numpy as np

from zigbench.scan.catalog import curve
from zigbench.scan.order import IntArray


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
    y, x = np.indices((h, w), dtype=np.int64)
    ring = np.minimum(np.minimum(y, x), np.minimum(h - 1 - y, w - 1 - x))
    height, width = h - 2 * ring, w - 2 * ring
    place = _clockwise(y - ring, x - ring, height, width)
    if alternate:
        # Counter-clockwise is clockwise on the transposed ring.
        other = _clockwise(x - ring, y - ring, width, height)
        place = np.where(ring % 2 == 1, other, place)
    rank = h * w - height * width + place
    order = np.empty(h * w, dtype=np.int64)
    order[rank.reshape(-1)] = np.arange(h * w, dtype=np.int64)
    return order


def _clockwise(y: IntArray, x: IntArray, height: IntArray, width: IntArray) -> IntArray:
    """Steps from the top-left corner of its own ring, where (y, x) lies on the border of height × width."""
    top = x
    right = width - 1 + y
    bottom = width - 1 + height - 1 + (width - 1 - x)
    left = 2 * (width - 1) + height - 1 + (height - 1 - y)
    return np.where(y == 0, top, np.where(x == width - 1, right, np.where(y == height - 1, bottom, left)))
