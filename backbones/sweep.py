"""The two rows that the published tables call sweep."""

from __future__ import annotations

from torch import Tensor

from backbones.bidirectional import both_ways
from backbones.config.sweep import SweepConfig
from backbones.zigma import ZigMa


class Sweep(ZigMa):
    """ZigMa along the rows: sweep-1 forward in every block, sweep-2 both ways in every block.

    The release calls sweep-2 ``v2``, and the paper's tables call it sweep: a bidirectional mixer whose two
    outputs are added and not halved. n symmetries of the row-major curve, one a layer, are ``zigma`` on the
    curve ``raster`` instead.
    """

    config: SweepConfig

    def orders(self) -> list[Tensor]:
        (order,) = self.scan_orders(1)
        return [both_ways(order) if self.config.directions(self.scan) == 2 else order[None]] * self.config.depth
