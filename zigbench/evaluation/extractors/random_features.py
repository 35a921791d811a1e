"""Features that need no download: a convolutional network whose weights are drawn from a fixed seed.

Untrained convolutions still respond to edges, textures and colours, so a Fréchet distance in them sees a broken
sampler; it is not FID, and not comparable with it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from zigbench.data.pixels import from_uint8
from zigbench.evaluation.extractors.features import tensors_sha256, three_channels

SEED = 2_024
WIDTHS = (32, 64, 96)


class RandomFeatures(nn.Module):
    """Three convolutions of 3×3 with rectifiers, halving between them; images of any size from 4×4 up.

    The features, (B, 192): the channels' deviations over the image after the first convolution, and their means
    after the second and the third.
    """

    name = "random"
    preparation = "grey repeated to 3 channels; no resizing; [0, 255] → [-1, 1]"
    provides = ("features",)
    weight_0: Tensor

    def __init__(self) -> None:
        super().__init__()
        # NumPy's counter-based generator gives the same bits on every machine, so the weights have one hash.
        generator = np.random.Generator(np.random.Philox(key=SEED))
        inputs = (3, *WIDTHS)
        for layer, (fan, width) in enumerate(zip(inputs, WIDTHS, strict=False)):
            weight = generator.standard_normal((width, fan, 3, 3), dtype=np.float32) * (2 / (9 * fan)) ** 0.5
            self.register_buffer(f"weight_{layer}", torch.from_numpy(weight.astype(np.float32)))
        self.sha256 = tensors_sha256(self.state_dict())

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """``features`` of uint8 (B, C, H, W), float32 (B, 192)."""
        x = from_uint8(three_channels(images.to(self.weight_0.device)))
        # Channels last: twice as fast on CPUs for so few channels.
        x = x.contiguous(memory_format=torch.channels_last)
        found = []
        for layer in range(len(WIDTHS)):
            x = functional.relu(functional.conv2d(x, getattr(self, f"weight_{layer}"), padding=1))
            found.append(x)
            if min(x.shape[-2:]) > 1:
                x = functional.avg_pool2d(x, 2)
        parts = [found[0].std((2, 3)), found[1].mean((2, 3)), found[2].mean((2, 3))]
        return {"features": torch.cat(parts, dim=1)}
