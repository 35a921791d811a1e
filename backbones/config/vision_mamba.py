"""Config of Vision Mamba."""

from __future__ import annotations

from typing import ClassVar, Literal

from backbones.config.bidirectional import BidirectionalConfig
from zigbench.spec.registry import backbones


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
