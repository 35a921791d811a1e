"""Config of DiS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from backbones.config import layers
from backbones.config.base import ScanConfig
from backbones.config.layers import EMPTY, Layer
from backbones.config.long_skip import LongSkipConfig
from backbones.config.zigma import ZIGMA_SIZES
from zigbench.spec import Geometry, ScanSpec
from zigbench.spec.registry import backbones


@backbones.register("dis")
class DiSConfig(LongSkipConfig, ScanConfig):
    """DiS: bidirectional Mamba mixers with long skips, all of whose inputs are tokens."""

    network: ClassVar[str] = "backbones.dis:DiS"
    sizes: ClassVar = ZIGMA_SIZES
    default_scan: ClassVar[Mapping[str, Any]] = {"curve": "sweep", "schemes": 1}

    time_mlp: bool = True

    def directions(self, scan: ScanSpec | None = None) -> int:
        return 2

    def stack(self, geometry: Geometry, tokens: int, scan: ScanSpec | None) -> Layer:
        return layers.norm(self.width) * self.blocks + self.mixers(geometry, tokens, scan)

    def tail(self, geometry: Geometry) -> Layer:
        head = layers.head(geometry, self.width, learned_sigma=self.learned_sigma)
        conditioned = geometry.classes is not None or geometry.context is not None
        return layers.norm(self.width) + (layers.modulation(self.width, 2) if conditioned else EMPTY) + head
