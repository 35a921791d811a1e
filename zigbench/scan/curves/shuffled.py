"""Random orders: the baseline without locality. Every variant is a draw of its own, from the seed and the variant."""

from __future__ import annotations

import numpy as np

from zigbench.scan.order import IntArray
from zigbench.scan.registry import curve


@curve("random")
def random(h: int, w: int, *, rng: np.random.Generator) -> IntArray:
    """A uniform permutation of the tokens of an image."""
    return rng.permutation(h * w).astype(np.int64, copy=False)


@curve("random")
def random_volume(t: int, h: int, w: int, *, rng: np.random.Generator) -> IntArray:
    """A uniform permutation of the tokens of a clip."""
    return rng.permutation(t * h * w).astype(np.int64, copy=False)
