"""Config of DiT, the transformer that the scans are compared with; SiT is the same network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from backbones.config import layers
from backbones.config.base import SizedConfig
from backbones.config.layers import Layer
from zigbench.spec import Geometry, Position, Positive, ScanSpec
from zigbench.spec.errors import Fault
from zigbench.spec.registry import backbones


@backbones.register("dit")
class DiTConfig(SizedConfig):
    """DiT (and SiT): adaLN-zero around attention and an MLP.

    Attributes:
        heads: attention heads; divides the width.
        mlp_ratio: hidden units of the MLP over the width.
    """

    network: ClassVar[str] = "backbones.dit:DiT"
    default_position: ClassVar[Position] = "sincos"
    sizes: ClassVar = {
        "S": {"width": 384, "depth": 12, "heads": 6},
        "B": {"width": 768, "depth": 12, "heads": 12},
        "L": {"width": 1024, "depth": 24, "heads": 16},
        "XL": {"width": 1152, "depth": 28, "heads": 16},
    }

    heads: Positive
    mlp_ratio: Annotated[float, Field(gt=0)] = 4.0

    def closed_form(self, geometry: Geometry, scan: ScanSpec | None, position: Position | None) -> Layer:
        width, tokens = self.width, geometry.tokens
        block = layers.mlp(tokens, width, self.mlp_ratio)
        block += layers.modulation(width, 6 if geometry.context is None else 9)
        block += layers.cross_attention(tokens, geometry, width, self.heads, width // self.heads)
        return (
            layers.patch_embedding(geometry, width)
            + layers.conditioning(geometry, width, label_dropout=self.label_dropout, times=self.times)
            + layers.position(position or self.default_position, self.places(geometry), width, self.depth)
            + block * self.depth
            + self.attentions(geometry)
            + layers.modulation(width, 2)
            + layers.head(geometry, width, learned_sigma=self.learned_sigma)
        )

    def attentions(self, geometry: Geometry) -> Layer:
        """Return the closed form of the attention in all blocks."""
        return layers.attention(geometry.tokens, self.width, self.heads, qkv_bias=True) * self.depth

    def faults(
        self, geometry: Geometry, scan: ScanSpec | None = None, position: Position | None = None
    ) -> Iterator[str | Fault]:
        yield from super().faults(geometry, scan, position)
        if self.width % self.heads:
            yield f"heads {self.heads} does not divide width {self.width}"
