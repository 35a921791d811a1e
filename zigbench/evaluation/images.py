"""Sets of images that are read in batches: the generated ones and the real ones they are compared with, as pixels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor

from zigbench.data.pixels import to_uint8


class ImageSet(Protocol):
    """Images that are read by range."""

    def __len__(self) -> int: ...

    def images(self, start: int, stop: int) -> Tensor:
        """Return images ``start`` to ``stop`` (exclusive), uint8 (n, C, H, W), or (n, T, C, H, W) for clips."""
        ...


class RealImages:
    """The real images of one split as pixels, decoded if the data are latents.

    Args:
        split: a split of a data set's loader.
        decode: the map from latents to images in [-1, 1]; None if the data are images.
    """

    def __init__(self, split: Any, decode: Any = None) -> None:
        self.split = split
        self.decode = decode

    def __len__(self) -> int:
        return len(self.split)

    def images(self, start: int, stop: int) -> Tensor:
        """Return images ``start`` to ``stop`` (exclusive), uint8 (n, C, H, W) or (n, T, C, H, W)."""
        x = self.split.batch(range(start, stop)).x
        return to_uint8(x if self.decode is None else self.decode(x))


class SpreadImages:
    """A number of images spread evenly over a set of them.

    Args:
        images: the whole set.
        count: number of images, at most that of the set.
    """

    def __init__(self, images: ImageSet, count: int) -> None:
        assert 1 <= count <= len(images)
        self._images = images
        self.rows = [row * len(images) // count for row in range(count)]

    def __len__(self) -> int:
        return len(self.rows)

    def images(self, start: int, stop: int) -> Tensor:
        """Return images ``start`` to ``stop`` (exclusive), uint8 (n, C, H, W) or (n, T, C, H, W)."""
        rows = self.rows[start:stop]
        first = [i for i, row in enumerate(rows) if i == 0 or row != rows[i - 1] + 1]
        stretches = [(rows[a], rows[b - 1] + 1) for a, b in pairwise([*first, len(rows)])]
        return torch.cat([self._images.images(*stretch) for stretch in stretches])


def image_batches(images: ImageSet, size: int, *, clips: bool = False) -> Iterator[Tensor]:
    """Yield all images in order, ``size`` at a time.

    Args:
        images: images or clips.
        size: number of images, or of clips, in a batch.
        clips: yield whole clips (n, T, C, H, W); otherwise a clip's frames come as images, one after the other.
    """
    for start in range(0, len(images), size):
        batch = images.images(start, min(start + size, len(images)))
        yield batch if clips else batch.reshape(-1, *batch.shape[-3:])
