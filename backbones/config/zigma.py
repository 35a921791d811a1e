"""Config of ZigMa."""

from __future__ import annotations

from typing import ClassVar, Literal

from backbones.config import layers
from backbones.config.base import ScanConfig
from backbones.config.layers import Layer
from zigbench.spec import Geometry, Position, Positive, ScanSpec
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

    def closed_form(self, geometry: Geometry, scan: ScanSpec | None, position: Position | None) -> Layer:
        width, tokens = self.width, geometry.tokens
        block = layers.norm(width) + layers.modulation(width, 3 if geometry.context is None else 6)
        block += layers.cross_attention(tokens, geometry, width, self.text_heads, self.text_head_width)
        return (
            layers.patch_embedding(geometry, width)
            + layers.conditioning(geometry, width, label_dropout=self.label_dropout, times=self.times)
            + layers.position(position or self.default_position, self.places(geometry), width, self.depth)
            + block * self.depth
            + self.mixers(geometry, tokens, scan)
            + layers.norm(width)
            + layers.head(geometry, width, learned_sigma=self.learned_sigma)
        )
