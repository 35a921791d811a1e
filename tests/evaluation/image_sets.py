"""Images drawn from a seed, as an image set here and as a data set for torch-fidelity."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import Dataset


def images(seed: int, count: int, side: int = 16, channels: int = 3) -> Tensor:
    """Smooth random images, uint8 (count, channels, side, side), whose brightness depends on the seed."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, 4, 4, generator=generator) * (200 + 10 * (seed % 5))
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear").to(torch.uint8)


class Images(Dataset):
    """One tensor of images for both sides."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __len__(self) -> int:
        return len(self.tensor)

    def __getitem__(self, index: int) -> Tensor:
        return self.tensor[index]

    def images(self, start: int, stop: int) -> Tensor:
        return self.tensor[start:stop]
