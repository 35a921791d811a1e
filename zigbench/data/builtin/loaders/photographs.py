"""Grey crops of the photographs that come with scikit-image and scikit-learn; nothing is downloaded.

The list is fixed: the packages also hold a chessboard, a phantom, a logo, and the other half of the stereo pair,
which would show the held-out quarter of the first.
"""

from __future__ import annotations

import numpy as np
import skimage.data
import torch
from sklearn.datasets import load_sample_image

from zigbench.data.builtin.photographs import PhotographsConfig
from zigbench.data.split import Split, TensorSplit, choose

PICTURES = (
    "astronaut", "chelsea", "coffee", "hubble_deep_field", "ihc",
    "motorcycle_left", "retina", "rocket", "china", "flower",
)  # fmt: skip

TRAIN_CROPS = 2_048
"""Training crops of each picture, at places drawn once for all runs."""

PLACES_SEED = 16_0922
"""Seed of those places."""


FLAT = 2.55
"""Deviation of a crop in grey levels of 0 to 255 below which a normalised crop would show mostly rounding."""


class Photographs:
    """Crops of ``config.size``², as many of each picture: luminance mapped to [-1, 1], or of mean 0 and deviation 1.

    Training crops lie anywhere in the left three quarters and may overlap. Held-out crops lie in the right quarter
    on a grid without overlap, so that they are independent.
    """

    def __init__(self, config: PhotographsConfig) -> None:
        pictures = [luminance(picture) for picture in _pictures().values()]
        size = config.size
        generator = np.random.Generator(np.random.PCG64(PLACES_SEED))
        train = [_drawn(picture[:, : border(picture)], size, generator, config.normalised) for picture in pictures]
        grids = [_grid(picture[:, border(picture) :], size) for picture in pictures]
        if config.normalised:
            grids = [grid[_deviation(grid) >= FLAT] for grid in grids]
        fewest = min(map(len, grids))
        held_out = [grid[np.arange(fewest) * len(grid) // fewest] for grid in grids]
        self.splits: dict[str, Split] = {}
        for name, crops in (("train", train), ("held-out", held_out)):
            x = torch.from_numpy(np.concatenate(crops))[:, None]
            groups = [picture for picture, own in zip(PICTURES, crops, strict=True) for _ in own]
            self.splits[name] = TensorSplit("photographs", _normalised(x) if config.normalised else x, groups=groups)

    def split(self, split: str) -> Split:
        """Return ``train`` (2,048 crops of each picture) or ``held-out`` (as many of each as fit into the smallest).

        Raises:
            ValueError: any other name.
        """
        return choose(self.splits, split)


def border(picture: np.ndarray) -> int:
    """Return the first column of the held-out quarter of a picture (height, width)."""
    width: int = picture.shape[1]
    return width * 3 // 4


def luminance(picture: np.ndarray) -> np.ndarray:
    """Return the Rec. 709 luma of a picture (height, width, 3) of 0 to 255, rounded: uint8 (height, width)."""
    return np.rint(picture[..., :3].astype(np.float64) @ (0.2126, 0.7152, 0.0722)).astype(np.uint8)


def _pictures() -> dict[str, np.ndarray]:
    """Return the pictures by name, uint8 (height, width, 3)."""
    pictures = {
        "ihc": skimage.data.immunohistochemistry(),
        "motorcycle_left": skimage.data.stereo_motorcycle()[0],
        "china": load_sample_image("china.jpg"),
        "flower": load_sample_image("flower.jpg"),
    }
    return {
        name: np.asarray(pictures[name] if name in pictures else getattr(skimage.data, name)()) for name in PICTURES
    }


def _drawn(picture: np.ndarray, size: int, generator: np.random.Generator, normalised: bool) -> np.ndarray:
    """Return crops at random places, uint8 (TRAIN_CROPS, size, size); to be normalised, none of them is flat."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, (size, size))
    rows, columns = windows.shape[:2]
    crops = np.empty((0, size, size), dtype=np.uint8)
    while len(crops) < TRAIN_CROPS:
        place = generator.integers(rows * columns, size=TRAIN_CROPS)
        new = windows[place // columns, place % columns]
        crops = np.concatenate([crops, new[_deviation(new) >= FLAT] if normalised else new])
    return crops[:TRAIN_CROPS]


def _deviation(crops: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each crop's pixels, float64 (n,), of crops uint8 (n, size, size)."""
    return crops.std(axis=(1, 2), dtype=np.float64)


def _normalised(crops: torch.Tensor) -> torch.Tensor:
    """Return crops uint8 (n, 1, size, size) as float32, each of mean 0 and mean square 1."""
    x = crops.double()
    x = x - x.mean(dim=(1, 2, 3), keepdim=True)
    return (x / x.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()).float()


def _grid(picture: np.ndarray, size: int) -> np.ndarray:
    """Return all crops of a grid without overlap, uint8 (n, size, size)."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, (size, size))[::size, ::size]
    return windows.reshape(-1, size, size)
