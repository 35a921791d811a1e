"""Config of DiT, the transformer that the scans are compared with; SiT is the same network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from backbones.config import count
from backbones.config.base import SizedConfig
from zigbench.spec import Geometry, Position, Positive
from zigbench.spec.registry import backbones


@backbones.register("dit")
class DiTConfig(SizedConfig):
    """DiT (and SiT): adaLN-zero around attention and an MLP.

    Attributes:
        heads: attention heads; divides the width.
        mlp_ratio: hidden units of the MLP over the width.
    """

    network: ClassVar[str] = "backbones.dit:DiT"
    sizes: ClassVar = {
        "S": {"width": 384, "depth": 12, "heads": 6},
        "B": {"width": 768, "depth": 12, "heads": 12},
        "L": {"width": 1024, "depth": 24, "heads": 16},
        "XL": {"width": 1152, "depth": 28, "heads": 16},
    }

    heads: Positive
    mlp_ratio: Annotated[float, Field(gt=0)] = 4.0
    position: Position = "sincos"

    def faults(self, geometry: Geometry) -> Iterator[str]:
        yield from super().faults(geometry)
        if self.width % self.heads:
            yield f"heads {self.heads} does not divide width {self.width}"

    def parameters(self, geometry: Geometry) -> int:
        width = self.width
        modulations = 6 if geometry.context is None else 9
        block = count.attention(width, qkv_bias=True) + count.mlp(width, self.mlp_ratio)
        block += count.linear(width, modulations * width)
        if geometry.context is not None:
            block += count.cross_attention(width, width)
        return (
            count.patch_embedding(geometry, width)
            + count.conditioning(geometry, width, label_dropout=self.label_dropout)
            + count.position(self.position, self.positions(geometry), width, self.depth)
            + self.depth * block
            + count.linear(width, 2 * width)
            + count.head(geometry, width, learned_sigma=self.learned_sigma)
        )
