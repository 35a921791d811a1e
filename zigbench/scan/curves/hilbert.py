"""The Hilbert curve on any rectangle, and the order that the ZigMa release visits under that name.

Continuous on every rectangle. By the colours of a chessboard a continuous walk from the top-left to the top-right
corner exists only where w is even or both sides are odd; the curve ends there whenever it can. Where w is odd and
h even it starts as usual and gives up only the last corner: it goes right by even blocks and leaves the last, odd
block along its even side, so it ends at the bottom.
"""

from __future__ import annotations

import numpy as np

from zigbench.scan.curves.boxes import Path, Shape, feasible, walk
from zigbench.scan.order import IntArray
from zigbench.scan.orders import make_order
from zigbench.scan.registry import curve


@curve("hilbert", space_filling=True)
def hilbert(h: int, w: int) -> IntArray:
    """From the top-left corner along the top; on a square of side 2ᵏ, Hilbert's own curve (1891)."""
    path = rectangle(h, w)
    return path[:, 0].astype(np.int64) * w + path[:, 1]


def rectangle(h: int, w: int) -> Path:
    """Return the Hilbert walk of an h × w rectangle from (0, 0) along its width, shape (hw, 2) as (y, x)."""
    known: dict[Shape, Path] = {}
    pieces: list[Path] = []
    # Even blocks to the right, until the rest can be walked corner to corner or down its side.
    rest = w
    while rest > 1 and not feasible((rest, h, 1)) and (rest == w or 2 * rest > 3 * h):
        block = rest // 2 + rest // 2 % 2
        pieces.append(_shifted(walk((block, h, 1), known)[:, [1, 0]], w - rest))
        rest -= block
    across = feasible((rest, h, 1))
    last = walk((rest, h, 1), known)[:, [1, 0]] if across else walk((h, rest, 1), known)[:, :2]
    return np.concatenate([*pieces, _shifted(last, w - rest)])


def _shifted(path: Path, right: int) -> Path:
    return path + np.array([0, right], dtype=np.int32)


RELEASED_VARIANTS = (1, 0, 4, 3, 7, 6, 2, 5)
"""Our variants in the order of the release's table: the transposed curve first, then quarter turns of it, each followed
by its transpose."""


@curve("hilbert-released")
def hilbert_released(h: int, w: int, *, numbering: str = "symmetries", variant: int) -> IntArray:
    """The inverse permutation of the same variant of ``hilbert``.

    The ZigMa release fills its table with ranks and then gathers by it, so its "Hilbert" network visits token
    ``rank[k]`` at step k. On a 32 × 32 grid 48.5 % of the steps join neighbours.

    Args:
        numbering: of the variants: ``symmetries``, as every curve's; or ``release``, the sequence of the release's
            own table, along which its layers, and so its weights, scan.
    """
    if numbering not in ("symmetries", "release"):
        raise ValueError(f"numbering = {numbering!r}: expected symmetries or release")
    return make_order("hilbert", (h, w), RELEASED_VARIANTS[variant] if numbering == "release" else variant).rank
