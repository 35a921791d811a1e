"""The Moore curve, a closed Hilbert curve, on any rectangle.

Two Hilbert walks side by side, down the left half from the middle of the top and up the right half. A closed
walk exists only where the number of tokens is even and both sides are at least 2; there this curve closes.
Elsewhere (both sides odd, or a single line) no walk can close, and it stays continuous and open.
"""

from __future__ import annotations

import numpy as np

from zigbench.scan.curves.hilbert import rectangle
from zigbench.scan.order import IntArray
from zigbench.scan.registry import curve


@curve("moore", space_filling=True)
def moore(h: int, w: int) -> IntArray:
    """Closed exactly where hw is even and min(h, w) is at least 2."""
    if min(h, w) == 1:
        return np.arange(h * w, dtype=np.int64)
    left = w // 2
    # An odd height is walked from corner to corner only by halves of odd width.
    left -= left % 2 == 0 and h % 2 == 1
    down, up = rectangle(left, h), rectangle(w - left, h)
    y = np.concatenate([down[:, 1], h - 1 - up[:, 1]]).astype(np.int64)
    x = np.concatenate([left - 1 - down[:, 0], left + up[:, 0]]).astype(np.int64)
    return y * w + x
