"""Config of ZigMa with several directions inside a block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from backbones.config.zigma import ZigMaConfig
from zigbench.spec import ScanSpec
from zigbench.spec.registry import backbones


@backbones.register("parallel")
class ParallelConfig(ZigMaConfig):
    """ZigMa whose every block scans ``schemes`` variants of the curve at once, each with its own parameters.

    Attributes:
        extra: further directions, which begin again at the first variant. The release holds k sets beside its
            first one (``parallelNk``), so its counts are those of ``schemes = k, extra = 1``.
    """

    network: ClassVar[str] = "backbones.parallel:Parallel"
    default_scan: ClassVar[Mapping[str, Any]] = {"curve": "sweep", "schemes": 4}

    extra: Annotated[int, Field(ge=0)] = 0

    def directions(self, scan: ScanSpec | None = None) -> int:
        return self.schemes(scan) + self.extra
