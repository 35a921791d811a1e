"""Diagonal zigzags: the diagonals in turn, walked in alternating direction.

Tokens of one diagonal touch at corners only, so most steps have Manhattan length 2.
"""

from __future__ import annotations

import numpy as np

from zigbench.scan.order import IntArray
from zigbench.scan.registry import curve


@curve("anti-diagonal")
def anti_diagonal(h: int, w: int) -> IntArray:
    """Along x + y = constant from the top-left corner, as JPEG orders its coefficients."""
    return _by_diagonals(h, w)


@curve("diagonal")
def diagonal(h: int, w: int) -> IntArray:
    """Along x − y = constant, parallel to the main diagonal, from the top-right corner: the mirror image."""
    mirrored = np.arange(h * w, dtype=np.int64).reshape(h, w)[:, ::-1].reshape(-1)
    return mirrored[_by_diagonals(h, w)]


def _by_diagonals(h: int, w: int) -> IntArray:
    y, x = np.indices((h, w), dtype=np.int64)
    line = y + x
    # Odd diagonals go down, even ones up.
    along = np.where(line % 2 == 1, y, -y)
    return np.lexsort((along.reshape(-1), line.reshape(-1))).astype(np.int64, copy=False)
