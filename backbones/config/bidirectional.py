"""Config of ZigMa with bidirectional mixers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from backbones.config.zigma import ZigMaConfig
from zigbench.spec import ScanSpec
from zigbench.spec.registry import backbones


@backbones.register("bidirectional")
class BidirectionalConfig(ZigMaConfig):
    """ZigMa whose blocks scan their curve both ways, the two outputs summed."""

    network: ClassVar[str] = "backbones.bidirectional:Bidirectional"
    default_scan: ClassVar[Mapping[str, Any]] = {"curve": "sweep", "schemes": 1}

    def directions(self, scan: ScanSpec | None = None) -> int:
        return 2
