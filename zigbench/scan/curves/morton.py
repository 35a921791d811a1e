"""Z-order (G. M. Morton, 1966): tokens sorted by the interleaved bits of their coordinates."""

from __future__ import annotations

import numpy as np

from zigbench.scan.order import IntArray
from zigbench.scan.registry import curve


@curve("z-order")
def z_order(h: int, w: int) -> IntArray:
    """Any rectangle: the Z-order of the enclosing power-of-two square without the cells outside."""
    return _sorted_by_code((h, w))


@curve("z-order")
def z_order_volume(t: int, h: int, w: int) -> IntArray:
    """Any box, by the same rule; the frame's bit is the highest of each triple."""
    return _sorted_by_code((t, h, w))


def _sorted_by_code(sides: tuple[int, ...]) -> IntArray:
    code = np.zeros(sides, dtype=np.int64)
    for axis, side in enumerate(sides):
        spread = np.zeros(side, dtype=np.int64)
        place = np.arange(side, dtype=np.int64)
        for bit in range(int(side - 1).bit_length()):
            # The last axis owns the lowest bit of each group: the innermost step is to the right.
            spread |= ((place >> bit) & 1) << (bit * len(sides) + len(sides) - 1 - axis)
        shape = [1] * len(sides)
        shape[axis] = side
        code |= spread.reshape(shape)
    return np.argsort(code.reshape(-1), kind="stable").astype(np.int64, copy=False)
