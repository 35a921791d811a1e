"""The Peano curve on any rectangle: from corner to opposite corner by thirds (Peano, 1890).

By the colours of a chessboard a continuous walk between opposite corners exists unless both sides are even. A box
with an odd side is cut in thirds that keep every part crossable: the thirds of the odd side are odd. Where both
sides are even the rectangle is first cut into two of odd width, crossed one after the other, and the walk ends at
the top-right corner. So the curve is continuous on every rectangle; on a square of side 3ᵏ it is Peano's own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zigbench.scan.order import IntArray
from zigbench.scan.registry import curve

Path = npt.NDArray[np.int32]


@curve("peano", space_filling=True)
def peano(h: int, w: int) -> IntArray:
    """From the top-left corner, rows of blocks in turn; to the bottom-right corner unless both sides are even."""
    known: dict[tuple[int, int], Path] = {}
    if h % 2 == 0 and w % 2 == 0:
        left = w // 2 - (w // 2 + 1) % 2
        first, second = _crossing(h, left, known), _crossing(h, w - left, known)
        # The left half ends at its bottom-right corner, so the right one is crossed from the bottom up.
        rising = second * np.array([-1, 1], dtype=np.int32) + np.array([h - 1, left], dtype=np.int32)
        path = np.concatenate([first, rising])
    else:
        path = _crossing(h, w, known)
    order: IntArray = path[:, 0].astype(np.int64) * w + path[:, 1]
    return order


def _crossing(h: int, w: int, known: dict[tuple[int, int], Path]) -> Path:
    """Return the cells from (0, 0) to (h − 1, w − 1), shape (hw, 2) as (y, x); not both sides even."""
    if (h, w) not in known:
        rows = _thirds(h, odd=h % 2 == 1) if h >= 3 and 2 * h > w else [h]
        columns = _thirds(w, odd=w % 2 == 1) if w >= 3 and 2 * w > h else [w]
        if len(rows) == len(columns) == 1:
            known[h, w] = _line(h, w)
        else:
            known[h, w] = _serpentine(rows, columns, known)
    return known[h, w]


def _line(h: int, w: int) -> Path:
    assert min(h, w) == 1
    path = np.zeros((h * w, 2), dtype=np.int32)
    path[:, 0 if w == 1 else 1] = np.arange(h * w)
    return path


def _thirds(side: int, *, odd: bool) -> list[int]:
    """Return three parts of a side of at least 3, the outer two alike; with ``odd`` all are odd (the side is, then)."""
    outer = (side + 1) // 3
    if odd and outer % 2 == 0:
        # The nearest odd number to a third of the side.
        outer += 1 if 3 * outer < side else -1
    return [outer, side - 2 * outer, outer]


def _serpentine(rows: list[int], columns: list[int], known: dict[tuple[int, int], Path]) -> Path:
    """Return rows of blocks in alternating direction; within a row, blocks are crossed down and up in turn."""
    pieces = []
    top = 0
    for row, height in enumerate(rows):
        rightward = row % 2 == 0
        lefts = np.cumsum([0, *columns[:-1]])
        blocks = list(zip(lefts, columns, strict=True))
        for visit, (left, width) in enumerate(blocks if rightward else blocks[::-1]):
            own = _crossing(height, width, known)
            y = top + own[:, 0] if visit % 2 == 0 else top + height - 1 - own[:, 0]
            x = left + own[:, 1] if rightward else left + width - 1 - own[:, 1]
            pieces.append(np.stack([y, x], axis=1).astype(np.int32))
        top += height
    return np.concatenate(pieces)
