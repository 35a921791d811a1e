"""Local windows: k × k blocks, any curve inside them and any curve from block to block.

``windowed`` is the window scan of LocalMamba; ``blocked`` the same with zigzag at both levels. Both take other curves
by parameter: ``blocked[inner=hilbert,outer=spiral,size=8]``, which is also the patch grouping of the ZigMa paper's
appendix. A random curve inside is its draw of seed 0. Blocks at the right and bottom edge are cut off where the
size does not divide the grid.
"""

from __future__ import annotations

import numpy as np

from zigbench.scan.order import IntArray
from zigbench.scan.orders import make_order
from zigbench.scan.registry import curve


@curve("blocked")
def blocked(h: int, w: int, *, inner: str = "zigzag", outer: str = "zigzag", size: int = 4) -> IntArray:
    """Blocks of size × size tokens in the order of ``outer``, the tokens of each in the order of ``inner``."""
    return _in_blocks(h, w, inner, outer, size)


@curve("windowed")
def windowed(h: int, w: int, *, inner: str = "sweep", outer: str = "sweep", size: int = 4) -> IntArray:
    """Row-major windows walked row by row."""
    return _in_blocks(h, w, inner, outer, size)


def _in_blocks(h: int, w: int, inner: str, outer: str, size: int) -> IntArray:
    if size < 1:
        raise ValueError(f"size = {size}: blocks need a side of at least 1 token")
    across = -(-w // size)
    blocks = make_order(outer, (-(-h // size), across)).order
    top, left = blocks // across * size, blocks % across * size
    height, width = np.minimum(size, h - top), np.minimum(size, w - left)
    start = np.cumsum(height * width) - height * width
    order = np.empty(h * w, dtype=np.int64)
    # At most four shapes: whole blocks, the two edges, the corner. Each shape is placed everywhere at once.
    for tall, wide in {(int(a), int(b)) for a, b in np.unique(np.stack([height, width], axis=1), axis=0)}:
        chosen = (height == tall) & (width == wide)
        y, x = np.divmod(make_order(inner, (tall, wide)).order, wide)
        tokens = (top[chosen, None] + y) * w + left[chosen, None] + x
        order[start[chosen, None] + np.arange(tall * wide)] = tokens
    return order
