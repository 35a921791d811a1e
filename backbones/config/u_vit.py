"""Config of U-ViT."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from backbones.config import layers
from backbones.config.layers import EMPTY, Layer
from backbones.config.long_skip import LongSkipConfig
from zigbench.spec import Geometry, Position, Positive, ScanSpec
from zigbench.spec.errors import Fault
from zigbench.spec.registry import backbones


@backbones.register("u-vit")
class UViTConfig(LongSkipConfig):
    """U-ViT: a transformer with long skips, all of whose inputs are tokens.

    Attributes:
        heads: attention heads; divides the width.
        mlp_ratio: hidden units of the MLP over the width.
        conv: end in a 3×3 convolution over the image, as all published sizes but H do.
    """

    network: ClassVar[str] = "backbones.u_vit:UViT"
    # As published: S for CIFAR-10 and CelebA, M for ImageNet 64, L and H for ImageNet 256 and 512.
    sizes: ClassVar = {
        "S": {"width": 512, "depth": 12, "heads": 8, "conv": True},
        "M": {"width": 768, "depth": 16, "heads": 12, "conv": True},
        "L": {"width": 1024, "depth": 20, "heads": 16, "conv": True},
        "H": {"width": 1152, "depth": 28, "heads": 16, "conv": False},
    }
    default_size: ClassVar[str] = "M"

    heads: Positive
    mlp_ratio: Annotated[float, Field(gt=0)] = 4.0
    conv: bool

    def stack(self, geometry: Geometry, tokens: int, scan: ScanSpec | None) -> Layer:
        attention = layers.attention(tokens, self.width, self.heads, qkv_bias=False)
        block = attention + layers.mlp(tokens, self.width, self.mlp_ratio) + layers.norm(self.width, bias=True) * 2
        return block * self.blocks

    def tail(self, geometry: Geometry) -> Layer:
        head = layers.head(geometry, self.width, learned_sigma=self.learned_sigma)
        channels = geometry.channels * (2 if self.learned_sigma else 1)
        pixels = (geometry.frames or 1) * geometry.height * geometry.width
        conv = layers.linear(pixels, 9 * channels, channels) if self.conv else EMPTY
        return layers.norm(self.width, bias=True) + head + conv

    def faults(
        self, geometry: Geometry, scan: ScanSpec | None = None, position: Position | None = None
    ) -> Iterator[str | Fault]:
        yield from super().faults(geometry, scan, position)
        if self.width % self.heads:
            yield f"heads {self.heads} does not divide width {self.width}"
