"""Which stretch of a long clip a sample shows: a function of (seed, clip)."""

from __future__ import annotations

import numpy as np

from zigbench.data.words import words

PLAIN = 1_602
"""Seed of the stretches that are shown outside of training: the same ones always."""

PURPOSE = 2


def starts(seed: int | None, indices: np.ndarray, lengths: np.ndarray, frames: int) -> np.ndarray:
    """First frames of the stretches, int64 (B,): any that leaves room for ``frames`` consecutive ones.

    Args:
        seed: of the visit; None outside of training.
        indices: of the clips, int64 (B,).
        lengths: of the clips in frames, int64 (B,), each at least ``frames``.
        frames: of a stretch.
    """
    assert (lengths >= frames).all()
    drawn = words(PLAIN if seed is None else seed, indices, PURPOSE)
    return (drawn % (lengths - frames + 1).astype(np.uint64)).astype(np.int64)
