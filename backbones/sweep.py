"""The two rows that the published tables call sweep."""

from __future__ import annotations

import torch
from torch import Tensor

from backbones.bidirectional import both_ways
from backbones.config import SweepConfig
from backbones.zigma import ZigMa
from zigbench.backbone import Geometry
from zigbench.scan import make_order


class Sweep(ZigMa):
    """ZigMa along the rows: sweep-1 forward in every block, sweep-2 both ways in every block.

    sweep-2 is what the release calls ``v2`` and the paper's tables call sweep: a bidirectional mixer whose two
    outputs are added and not halved. n symmetries of the row-major curve, one a layer, are ``zigma`` on the
    curve ``raster`` instead.
    """

    config: SweepConfig

    def orders(self) -> list[Tensor]:
        order = row_major(self.config, self.geometry)
        return [order[None] if self.config.schemes == 1 else both_ways(order)] * self.config.depth


def row_major(config: SweepConfig, geometry: Geometry) -> Tensor:
    """The row-major order of the geometry's tokens."""
    return torch.tensor(make_order(config.curve, geometry.token_grid).order)
