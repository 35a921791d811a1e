"""Configs of the families on U-ViT's skeleton: every input is a token, and long skips join the two halves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from backbones.config import count
from backbones.config.base import ScanConfig, SizedConfig
from backbones.config.scan import ZIGMA_SIZES
from zigbench.spec import Geometry, Position, Positive
from zigbench.spec.registry import backbones


class LongSkipConfig(SizedConfig):
    """``depth / 2`` blocks in, one in the middle, ``depth / 2`` out.

    Attributes:
        time_mlp: pass the time's sinusoid through Linear(D → 4D), SiLU, Linear(4D → D).
        skip: join each block of the second half with its mirror in the first by a Linear(2D → D).
    """

    position: Position = "learned"
    time_mlp: bool = False
    skip: bool = True

    @property
    def blocks(self) -> int:
        """Blocks in all: the named depth and the one in the middle."""
        return self.depth + 1

    def faults(self, geometry: Geometry) -> Iterator[str]:
        yield from super().faults(geometry)
        if self.depth % 2:
            yield f"depth {self.depth} is odd; the two halves of a U need an even one"

    def shell(self, geometry: Geometry) -> int:
        """Parameters of everything that is neither a block nor behind the last one."""
        width = self.width
        text_tokens, text_width = geometry.context or (0, 0)
        extras = 1 + (geometry.classes is not None) + text_tokens
        shell = count.patch_embedding(geometry, width)
        shell += count.mlp(width, 4) if self.time_mlp else 0
        shell += count.label_rows(geometry.classes, self.label_dropout) * width
        shell += 0 if geometry.context is None else count.linear(text_width, width)
        shell += count.position(self.position, extras + geometry.tokens, width, self.blocks)
        return shell + (self.depth // 2 * count.linear(2 * width, width) if self.skip else 0)


@backbones.register("u-vit")
class UViTConfig(LongSkipConfig):
    """U-ViT: a transformer on the skeleton.

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

    def faults(self, geometry: Geometry) -> Iterator[str]:
        yield from super().faults(geometry)
        if self.width % self.heads:
            yield f"heads {self.heads} does not divide width {self.width}"

    def parameters(self, geometry: Geometry) -> int:
        width = self.width
        channels = geometry.channels * (2 if self.learned_sigma else 1)
        block = count.attention(width, qkv_bias=False) + count.mlp(width, self.mlp_ratio) + 4 * width
        tail = 2 * width + count.head(geometry, width, learned_sigma=self.learned_sigma)
        tail += count.linear(9 * channels, channels) if self.conv else 0
        return self.shell(geometry) + self.blocks * block + tail


@backbones.register("dis")
class DiSConfig(LongSkipConfig, ScanConfig):
    """DiS: a bidirectional Mamba mixer on the skeleton."""

    network: ClassVar[str] = "backbones.dis:DiS"
    sizes: ClassVar = ZIGMA_SIZES

    curve: str = "sweep"
    schemes: Positive = 1
    time_mlp: bool = True

    @property
    def directions(self) -> int:
        """Scans inside one block."""
        return 2

    def parameters(self, geometry: Geometry) -> int:
        width = self.width
        block = width + count.mixer(
            width, self.directions, d_state=self.d_state, d_conv=self.d_conv, expand=self.expand
        )
        tail = width + count.head(geometry, width, learned_sigma=self.learned_sigma)
        if geometry.classes is not None or geometry.context is not None:
            tail += count.linear(width, 2 * width)
        return self.shell(geometry) + self.blocks * block + tail


@backbones.register("dim")
class DiMConfig(DiSConfig):
    """DiM: one raster direction a block, four in turn, with learned tokens where a line ends.

    Attributes:
        pads: learned tokens behind each row and each column; the release has ``d_conv`` of them.
        smooth: a 3×3 depthwise convolution over the tokens before the first and after the last block.
    """

    network: ClassVar[str] = "backbones.dim:DiM"
    sizes: ClassVar = {"L": {"width": 1024, "depth": 48}, "H": {"width": 1536, "depth": 48}}
    default_size: ClassVar[str] = "L"

    schemes: Annotated[int, Field(ge=1, le=4)] = 4
    time_mlp: bool = False
    pads: Annotated[int, Field(ge=0)] = 1
    smooth: bool = True

    @property
    def directions(self) -> int:
        return 1

    def faults(self, geometry: Geometry) -> Iterator[str]:
        yield from super().faults(geometry)
        if geometry.frames is not None:
            yield f"pads the ends of image rows and columns; the data are clips of {geometry.frames} frames"

    def parameters(self, geometry: Geometry) -> int:
        smoothers = 2 * count.linear(9, self.width) if self.smooth else 0
        return super().parameters(geometry) + self.pads * self.width + smoothers
