"""Handwritten digits that come with scikit-learn: the UCI test set of optical digits, 1,797 images of 8×8."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits

from zigbench.data.builtin.digits import DigitsConfig
from zigbench.data.split import Split, TensorSplit, choose

DIVISION_SEED = 19_980_701
"""Seed of the division into training and held-out images: a constant, so that all runs hold out the same."""

HELD_OUT_SHARE = 0.2


class Digits:
    """The digits, grey levels 0 to 16 mapped to [-1, 1]; a fifth of each class, rounded, is held out."""

    def __init__(self, config: DigitsConfig) -> None:
        digits = load_digits()
        x = torch.from_numpy(digits.images / 8.0 - 1.0).float()[:, None]
        label = torch.from_numpy(digits.target).long()
        held_out = held_out_images(digits.target)
        self.splits: dict[str, Split] = {
            name: TensorSplit("digits", x[chosen], label[chosen])
            for name, chosen in (("train", ~held_out), ("held-out", held_out))
        }

    def split(self, split: str) -> Split:
        """Return ``train`` (1,438 images) or ``held-out`` (359).

        Raises:
            ValueError: any other name.
        """
        return choose(self.splits, split)


def held_out_images(target: np.ndarray) -> torch.Tensor:
    """Return a mask of the held-out images of the classes ``target`` (N,), bool (N,): the same share of every class."""
    generator = np.random.Generator(np.random.PCG64(DIVISION_SEED))
    chosen = np.zeros(len(target), dtype=bool)
    for digit in np.unique(target):
        members = np.flatnonzero(target == digit)
        chosen[generator.permutation(members)[: round(HELD_OUT_SHARE * len(members))]] = True
    return torch.from_numpy(chosen)
