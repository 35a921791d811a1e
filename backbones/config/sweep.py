"""Config of the two rows that the published tables call sweep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from backbones.config.zigma import ZigMaConfig
from zigbench.spec import Geometry, Position, ScanSpec
from zigbench.spec.errors import Fault
from zigbench.spec.registry import backbones


@backbones.register("sweep")
class SweepConfig(ZigMaConfig):
    """The published sweep rows: sweep-1 scans forward in every block, sweep-2 both ways."""

    network: ClassVar[str] = "backbones.sweep:Sweep"
    default_scan: ClassVar[Mapping[str, Any]] = {"curve": "sweep", "schemes": 1}

    def directions(self, scan: ScanSpec | None = None) -> int:
        return self.schemes(scan)

    def faults(
        self, geometry: Geometry, scan: ScanSpec | None = None, position: Position | None = None
    ) -> Iterator[str | Fault]:
        yield from super().faults(geometry, scan, position)
        if scan is not None and scan.curve != "sweep":
            hint = "leave it out, or take the backbone 'zigma'"
            yield Fault("scan.curve", repr(scan.curve), "the backbone 'sweep' scans along 'sweep' only", hint)
        if scan is not None and scan.schemes not in (1, 2):
            yield Fault("scan.schemes", str(scan.schemes), "the backbone 'sweep' has 1 (forward) or 2 (both ways)")
