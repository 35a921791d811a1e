"""Handwritten digits that move: scikit-learn's, each bouncing in its own clip, made when a batch needs it.

Digit, starting place, direction and speed of a clip are functions of (seed, split, index): nothing is stored, nothing
is downloaded, and clip 7 is always the same. The digits that :mod:`zigbench.data.builtin.loaders.digits` holds out
are held out here too, so no held-out clip shows a digit that trains.
"""

from __future__ import annotations

import numpy as np
import torch

from zigbench.data.builtin.digits import DIGIT, DigitsConfig, MovingDigitsConfig
from zigbench.data.builtin.loaders.digits import Digits
from zigbench.data.random import random_uint64
from zigbench.data.split import Batch, Indices, Split, TensorSplit, choose
from zigbench.spec.files import sha256
from zigbench.spec.rng import derive_seed

VERSION = 1
"""Increased when the clips of equal configs change."""

COUNTS = {"train": 8_192, "held-out": 1_024}
"""Clips of each split."""

SLOWEST, FASTEST = 0.6, 1.8
"""Bounds of the speed in pixels a frame."""


class MovingDigits:
    """Clips of one digit each, grey levels in [-1, 1]; the label is the digit."""

    def __init__(self, config: MovingDigitsConfig) -> None:
        digits = Digits(DigitsConfig())
        self.splits: dict[str, Split] = {}
        for name, count in COUNTS.items():
            source = digits.split(name)
            assert isinstance(source, TensorSplit)
            self.splits[name] = MovingSplit(source, config, name, count)

    def split(self, split: str) -> Split:
        """Return ``train`` (8,192 clips of 1,438 digits) or ``held-out`` (1,024 clips of 359 others).

        Raises:
            ValueError: any other name.
        """
        return choose(self.splits, split)


class MovingSplit:
    """Clips made of one split's digits.

    Args:
        digits: to move.
        config: shape and seed.
        which: name of the split, which the random numbers depend on.
        count: number of clips.
    """

    name = "moving-digits"
    resident = True

    def __init__(self, digits: TensorSplit, config: MovingDigitsConfig, which: str, count: int) -> None:
        assert digits.label is not None
        self.digits = digits.x[:, 0].numpy()
        self.label = digits.label
        self.config = config
        self.count = count
        self._seed = derive_seed(config.seed, "moving digits", which)
        facts = (VERSION, digits.content_hash, config.model_dump(mode="json"), which, count)
        self.content_hash = sha256(repr(facts))

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: Indices) -> Batch:
        chosen = np.asarray(indices, dtype=np.int64)
        if ((chosen < 0) | (chosen >= self.count)).any():
            raise IndexError(f"clips run from 0 to {self.count - 1}")
        which = (random_uint64(self._seed, chosen, 0) % np.uint64(len(self.digits))).astype(np.int64)
        rows, columns = self.places(chosen)
        size, frames = self.config.size, self.config.frames
        canvas = np.full((len(chosen), frames, size, size), -1.0, dtype=np.float32)
        inside = np.arange(DIGIT)
        clip, frame = np.ogrid[: len(chosen), :frames]
        canvas[
            clip[..., None, None],
            frame[..., None, None],
            rows[..., None, None] + inside[:, None],
            columns[..., None, None] + inside,
        ] = self.digits[which][:, None]
        return Batch(torch.from_numpy(canvas)[:, :, None], self.label[torch.from_numpy(which)])

    def places(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return row and column of the digit's corner in each frame, int64 (B, T) each.

        A straight walk at constant speed, folded at the walls and rounded to whole pixels.
        """
        room = self.config.size - DIGIT
        draws = [random_uint64(self._seed, indices, purpose) / 2.0**64 for purpose in range(1, 5)]
        speed = SLOWEST + (FASTEST - SLOWEST) * draws[3]
        angle = 2 * np.pi * draws[2]
        t = np.arange(self.config.frames)
        walks = (
            (draws[0] * room)[:, None] + (speed * np.sin(angle))[:, None] * t,
            (draws[1] * room)[:, None] + (speed * np.cos(angle))[:, None] * t,
        )
        rows, columns = (np.rint(room - np.abs(walk % (2 * room) - room)).astype(np.int64) for walk in walks)
        return rows, columns
