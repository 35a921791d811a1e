"""Everything random about the data, as functions of seeds and positions: no generator's history is needed.

Training walks an endless stream, the permutations of epoch 0, 1, 2, … one after the other. Step s takes positions
sB to (s + 1)B of it, so the data's position after any step is known without having walked there, no sample is left
over at an epoch's end, and B need not divide anything.

What varies about a sample from visit to visit (its flip, its caption, the stretch of a clip) comes from a 64-bit hash
of the visit's seed, the purpose and the sample's index.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from zigbench.spec.rng import derive_seed

SPLITMIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)

PLAIN = 1_602
"""Seed of the stretches that are shown outside of training: the same ones always."""

PURPOSE = 2


@lru_cache(maxsize=4)
def _epoch(seed: int, epoch: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(derive_seed(seed, "visiting order", epoch))
    return torch.randperm(count, generator=generator)


def positions(seed: int, start: int, stop: int, count: int) -> Tensor:
    """Return the samples at positions ``start`` to ``stop`` (exclusive) of the stream, int64 (stop - start,).

    Raises:
        ValueError: there are no samples.
    """
    if count < 1:
        raise ValueError("the split holds no samples: there is nothing to train on")
    parts = []
    while start < stop:
        epoch, offset = divmod(start, count)
        taken = min(stop - start, count - offset)
        parts.append(_epoch(seed, epoch, count)[offset : offset + taken])
        start += taken
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)


def step_indices(seed: int, step: int, batch: int, count: int) -> Tensor:
    """Return the samples of one step's whole batch, int64 (batch,); ``step`` counts from 0."""
    return positions(seed, step * batch, (step + 1) * batch, count)


def shard(count: int, rank: int, world: int) -> range:
    """Return the share of ``count`` things of process ``rank`` in ``world``: neighbours, each once, sizes within 1."""
    assert 0 <= rank < world
    return range(count * rank // world, count * (rank + 1) // world)


def random_uint64(seed: int, indices: np.ndarray, purpose: int) -> np.ndarray:
    """Return splitmix64 of seed, purpose and index for each sample, uint64 shaped like ``indices``."""
    word = indices.astype(np.uint64) * SPLITMIX[0] + np.uint64(derive_seed(seed, "visit", purpose))
    for shift, factor in ((30, SPLITMIX[1]), (27, SPLITMIX[2])):
        word = (word ^ (word >> np.uint64(shift))) * factor
    mixed: np.ndarray = word ^ (word >> np.uint64(31))
    return mixed


def clip_starts(seed: int | None, indices: np.ndarray, lengths: np.ndarray, frames: int) -> np.ndarray:
    """Return the first frames of stretches, int64 (B,): any that leaves room for ``frames`` consecutive ones.

    Args:
        seed: of the augmentation; None outside of training.
        indices: of the clips, int64 (B,).
        lengths: of the clips in frames, int64 (B,), each at least ``frames``.
        frames: of a stretch.
    """
    assert (lengths >= frames).all()
    words = random_uint64(PLAIN if seed is None else seed, indices, PURPOSE)
    return (words % (lengths - frames + 1).astype(np.uint64)).astype(np.int64)
