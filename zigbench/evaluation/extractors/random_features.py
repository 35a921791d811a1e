"""Features without a download: convolutional networks with weights drawn from a fixed seed, for images and for clips.

Untrained convolutions still respond to edges, textures and colours, so a Fréchet distance in them detects a broken
sampler; it is not FID, and not comparable with it. The filters for clips reach over time and so respond to motion: a
clip with its frames shuffled is another clip to them. A distance in them is not FVD, and not comparable with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from zigbench.data.pixels import from_uint8
from zigbench.evaluation.extractors.features import tensors_sha256, three_channels


class RandomFeatures(nn.Module):
    """Three convolutions of 3×3 with rectifiers, halving between them, for images of any size from 4×4 up.

    The features, (B, 192): the channels' deviations over the image after the first convolution, and their means
    after the second and the third.
    """

    name = "random"
    preparation = "grey repeated to 3 channels; no resizing; [0, 255] → [-1, 1]"
    provides = ("features",)
    dimensions = 2
    seed = 2_024
    widths = (32, 64, 96)
    weight_0: Tensor

    def __init__(self) -> None:
        super().__init__()
        # NumPy's counter-based generator gives the same bits on every machine, so the weights have one hash.
        generator = np.random.Generator(np.random.Philox(key=self.seed))
        kernel = (3,) * self.dimensions
        inputs = (3, *self.widths)
        for layer, (fan, width) in enumerate(zip(inputs, self.widths, strict=False)):
            scale = (2 / (3**self.dimensions * fan)) ** 0.5
            weight = generator.standard_normal((width, fan, *kernel), dtype=np.float32) * scale
            self.register_buffer(f"weight_{layer}", torch.from_numpy(weight.astype(np.float32)))
        self.sha256 = tensors_sha256(self.state_dict())

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """Return ``features``, float32 (B, 192), of uint8 (B, C, H, W)."""
        x = from_uint8(three_channels(images.to(self.weight_0.device)))
        # Channels last: twice as fast on CPUs for so few channels.
        x = x.contiguous(memory_format=torch.channels_last)
        layers = []
        for layer in range(len(self.widths)):
            x = functional.relu(functional.conv2d(x, getattr(self, f"weight_{layer}"), padding=1))
            layers.append(x)
            if min(x.shape[-2:]) > 1:
                x = functional.avg_pool2d(x, 2)
        parts = [layers[0].std((2, 3)), layers[1].mean((2, 3)), layers[2].mean((2, 3))]
        return {"features": torch.cat(parts, dim=1)}


class RandomClipFeatures(RandomFeatures):
    """Three convolutions of 3×3×3 with rectifiers, halving between them, for clips of any length and size.

    The features, (B, 144): the channels' deviations over the clip after the first convolution, and their means after
    the second and the third.
    """

    name = "random-3d"
    clips = True
    dimensions = 3
    seed = 2_025
    widths = (24, 48, 72)

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """Return ``features``, float32 (B, 144), of uint8 (B, T, C, H, W)."""
        frames = from_uint8(three_channels(images.to(self.weight_0.device).flatten(0, 1)))
        x = frames.unflatten(0, images.shape[:2]).transpose(1, 2).contiguous()
        layers = []
        for layer in range(len(self.widths)):
            x = functional.relu(functional.conv3d(x, getattr(self, f"weight_{layer}"), padding=1))
            layers.append(x)
            x = functional.avg_pool3d(x, [2 if size > 1 else 1 for size in x.shape[2:]])
        parts = [layers[0].std((2, 3, 4)), layers[1].mean((2, 3, 4)), layers[2].mean((2, 3, 4))]
        return {"features": torch.cat(parts, dim=1)}


def load(name: str, cache: Path, data: Any, given: Path | None) -> RandomFeatures:
    """Return the extractor called "random" or "random-3d"; it needs no file."""
    return RandomClipFeatures() if name == RandomClipFeatures.name else RandomFeatures()
