"""In which order samples are visited: a function of (seed, position) alone.

Training walks an endless stream, the permutations of epoch 0, 1, 2, … one after the other. Step s takes positions
sB to (s + 1)B of it, so the data's position after any step is known without having walked there, no sample is left
over at an epoch's end, and B need not divide anything.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from zigbench.spec.rng import derive_seed


@lru_cache(maxsize=4)
def _epoch(seed: int, epoch: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(derive_seed(seed, "visiting order", epoch))
    return torch.randperm(count, generator=generator)


def positions(seed: int, start: int, stop: int, count: int) -> Tensor:
    """Samples at positions ``start`` to ``stop`` (exclusive) of the stream, int64 (stop - start,).

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
    """Samples of one step's whole batch, int64 (batch,); ``step`` counts from 0."""
    return positions(seed, step * batch, (step + 1) * batch, count)


def shard(count: int, rank: int, world: int) -> range:
    """Which of ``count`` things process ``rank`` of ``world`` takes: neighbouring, each thing once, sizes within 1."""
    assert 0 <= rank < world
    return range(count * rank // world, count * (rank + 1) // world)
