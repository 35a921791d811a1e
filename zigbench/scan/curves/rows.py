"""Row by row: sweep, which starts every row at the same side, and zigzag, which turns at each row's end."""

from __future__ import annotations

import numpy as np

from zigbench.scan.order import IntArray
from zigbench.scan.registry import curve


@curve("sweep", space_filling=True)
def sweep(h: int, w: int) -> IntArray:
    """Row-major: continuity (hw − h)/(hw − 1) where w > 1."""
    return np.arange(h * w, dtype=np.int64)


@curve("raster", space_filling=True)
def raster(h: int, w: int) -> IntArray:
    """The same order as sweep, under the name that several of its symmetries have in a network (raster-8)."""
    return np.arange(h * w, dtype=np.int64)


@curve("zigzag", space_filling=True)
def zigzag(h: int, w: int) -> IntArray:
    """Rows in alternating direction: every step goes to a neighbour, on every rectangle."""
    table = np.arange(h * w, dtype=np.int64).reshape(h, w)
    table[1::2] = table[1::2, ::-1].copy()
    return table.reshape(-1)
