"""Random words as functions of (seed, index): for many samples at once, without a generator's history."""

from __future__ import annotations

import numpy as np

from zigbench.spec.rng import derive_seed

SPLITMIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)


def words(seed: int, indices: np.ndarray, purpose: int) -> np.ndarray:
    """A 64-bit word for each sample, uint64 shaped like ``indices``: splitmix64 of seed, purpose and index."""
    word = indices.astype(np.uint64) * SPLITMIX[0] + np.uint64(derive_seed(seed, "visit", purpose))
    for shift, factor in ((30, SPLITMIX[1]), (27, SPLITMIX[2])):
        word = (word ^ (word >> np.uint64(shift))) * factor
    mixed: np.ndarray = word ^ (word >> np.uint64(31))
    return mixed
