"""Random numbers of an evaluation: each a function of what it is for, so that no batching can change it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from zigbench.spec.rng import derive_seed


def balanced_labels(indices: Sequence[int], classes: int) -> Tensor:
    """Label i % classes of sample i: every class equally often, whatever the run. int64 (len(indices),)."""
    return torch.tensor([int(index) % classes for index in indices], dtype=torch.int64)


def stratified_times(seed: int, count: int) -> Tensor:
    """``count`` times in (0, 1), one from each of as many equal strata, in random order. float64 (count,)."""
    generator = np.random.Generator(np.random.Philox(key=derive_seed(seed, "held-out times")))
    times = (generator.permutation(count) + generator.random(count)) / count
    return torch.from_numpy(np.clip(times, 1e-9, 1 - 1e-9))


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """Compute on one thread: sums are split, and so rounded, the same way on every worker of a machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
