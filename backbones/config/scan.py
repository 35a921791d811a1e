"""Configs of the families that stack Mamba blocks: ZigMa and what it is compared with."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from backbones.config import count
from backbones.config.base import ScanConfig
from zigbench.spec import Geometry, Positive
from zigbench.spec.registry import backbones

# As released: S 368×24, B 768×24, M 768×48, L 1024×48, H 1536×48.
ZIGMA_SIZES = {
    "S": {"width": 368, "depth": 24},
    "B": {"width": 768, "depth": 24},
    "M": {"width": 768, "depth": 48},
    "L": {"width": 1024, "depth": 48},
    "H": {"width": 1536, "depth": 48},
}


@backbones.register("zigma")
class ZigMaConfig(ScanConfig):
    """ZigMa: one scan a block, its order changing from block to block.

    Attributes:
        residual: ``released`` adds the normed stream back to the residual in every block, as the released
            weights need it; ``prenorm`` is x + gate · mixer(norm(x)).
        text_heads, text_head_width: the cross-attention block's heads, 8 × 64 in the release.
    """

    network: ClassVar[str] = "backbones.zigma:ZigMa"
    sizes: ClassVar = ZIGMA_SIZES

    residual: Literal["released", "prenorm"] = "released"
    text_heads: Positive = 8
    text_head_width: Positive = 64

    @property
    def directions(self) -> int:
        """Scans inside one block."""
        return 1

    def parameters(self, geometry: Geometry) -> int:
        width = self.width
        block = width + count.linear(width, (3 if geometry.context is None else 6) * width)
        block += count.mixer(width, self.directions, d_state=self.d_state, d_conv=self.d_conv, expand=self.expand)
        if geometry.context is not None:
            block += count.cross_attention(width, self.text_heads * self.text_head_width)
        return (
            count.patch_embedding(geometry, width)
            + count.conditioning(geometry, width, label_dropout=self.label_dropout)
            + count.position(self.position, self.positions(geometry), width, self.depth)
            + self.depth * block
            + width
            + count.head(geometry, width, learned_sigma=self.learned_sigma)
        )


@backbones.register("bidirectional")
class BidirectionalConfig(ZigMaConfig):
    """ZigMa whose blocks scan their curve both ways, the two outputs summed."""

    network: ClassVar[str] = "backbones.bidirectional:Bidirectional"

    curve: str = "sweep"
    schemes: Positive = 1

    @property
    def directions(self) -> int:
        return 2


@backbones.register("sweep")
class SweepConfig(ZigMaConfig):
    """The published sweep rows: sweep-1 scans forward in every block, sweep-2 both ways."""

    network: ClassVar[str] = "backbones.sweep:Sweep"

    curve: Literal["sweep"] = "sweep"
    schemes: Literal[1, 2] = 1

    @property
    def directions(self) -> int:
        return self.schemes


@backbones.register("vision-mamba")
class VisionMambaConfig(BidirectionalConfig):
    """Vision Mamba (Vim): both ways along the rows, the two outputs averaged, a clean pre-norm."""

    network: ClassVar[str] = "backbones.vision_mamba:VisionMamba"
    # As published: tiny 192, small 384, base 768, each 24 blocks.
    sizes: ClassVar = {
        "Ti": {"width": 192, "depth": 24},
        "S": {"width": 384, "depth": 24},
        "B": {"width": 768, "depth": 24},
    }

    residual: Literal["released", "prenorm"] = "prenorm"


@backbones.register("parallel")
class ParallelConfig(ZigMaConfig):
    """ZigMa whose every block scans ``schemes`` variants of the curve at once, each with its own parameters.

    Attributes:
        extra: further directions, which begin again at the first variant. The release holds k sets beside its
            first one (``parallelNk``), so its counts are those of ``schemes = k, extra = 1``.
    """

    network: ClassVar[str] = "backbones.parallel:Parallel"

    curve: str = "sweep"
    schemes: Positive = 4
    extra: Annotated[int, Field(ge=0)] = 0

    @property
    def directions(self) -> int:
        return self.schemes + self.extra
