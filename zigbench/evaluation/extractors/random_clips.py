"""Features of clips that need no download: a 3D convolutional network whose weights are drawn from a fixed seed.

Its filters reach over time, so motion shows in them, and a clip with its frames shuffled is another clip. A Fréchet
distance in them is named after them; it is not FVD, and not comparable with it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from zigbench.data.pixels import from_uint8
from zigbench.evaluation.extractors.features import tensors_sha256, three_channels

SEED = 2_025
WIDTHS = (24, 48, 72)


class RandomClipFeatures(nn.Module):
    """Three convolutions of 3×3×3 with rectifiers, halving between them; clips of any length and size.

    The features, (B, 144): the channels' deviations over the clip after the first convolution, and their means after
    the second and the third.
    """

    name = "random-3d"
    preparation = "grey repeated to 3 channels; no resizing; [0, 255] → [-1, 1]"
    provides = ("features",)
    clips = True
    weight_0: Tensor

    def __init__(self) -> None:
        super().__init__()
        # NumPy's counter-based generator gives the same bits on every machine, so the weights have one hash.
        generator = np.random.Generator(np.random.Philox(key=SEED))
        inputs = (3, *WIDTHS)
        for layer, (fan, width) in enumerate(zip(inputs, WIDTHS, strict=False)):
            weight = generator.standard_normal((width, fan, 3, 3, 3), dtype=np.float32) * (2 / (27 * fan)) ** 0.5
            self.register_buffer(f"weight_{layer}", torch.from_numpy(weight.astype(np.float32)))
        self.sha256 = tensors_sha256(self.state_dict())

    def extract(self, images: Tensor) -> dict[str, Tensor]:
        """``features`` of uint8 (B, T, C, H, W), float32 (B, 144)."""
        frames = from_uint8(three_channels(images.to(self.weight_0.device).flatten(0, 1)))
        x = frames.unflatten(0, images.shape[:2]).transpose(1, 2).contiguous()
        found = []
        for layer in range(len(WIDTHS)):
            x = functional.relu(functional.conv3d(x, getattr(self, f"weight_{layer}"), padding=1))
            found.append(x)
            x = functional.avg_pool3d(x, [2 if size > 1 else 1 for size in x.shape[2:]])
        parts = [found[0].std((2, 3, 4)), found[1].mean((2, 3, 4)), found[2].mean((2, 3, 4))]
        return {"features": torch.cat(parts, dim=1)}
