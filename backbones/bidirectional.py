"""Mamba blocks that scan their curve both ways."""

from __future__ import annotations

import torch
from torch import Tensor

from backbones.config.bidirectional import BidirectionalConfig
from backbones.zigma import ZigMa


def both_ways(order: Tensor) -> Tensor:
    """Return an order (L,) or (sequences, steps) and, sequence by sequence, its reverse: (2, …)."""
    return torch.stack([order, order.flip(-1)])


class Bidirectional(ZigMa):
    """ZigMa's blocks with a bidirectional mixer along any curve.

    in_proj and out_proj are shared; the backward direction has its own convolution, x_proj, Δ_proj, A and D; the
    two outputs are added and not halved: the release's ``v2`` mixer, which it runs along the rows only (that is
    sweep-2). Vision Mamba differs by halving the sum and by its clean pre-norm.
    """

    config: BidirectionalConfig

    def orders(self) -> list[Tensor]:
        return [both_ways(order) for order in self.scan_orders(self.config.depth)]
