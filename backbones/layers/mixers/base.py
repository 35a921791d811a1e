"""The frame of mixers with a recurrence: shared projections and a gated norm around a recurrence along each order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from backbones.layers.mixers.rows import GatedNorm, Visit, projected


class RecurrentMixer(nn.Module):
    """in_proj, a recurrence along each order, their sum through the gated norm, out_proj.

    in_proj, which also gives the gate, the norm and out_proj are shared by the directions. All else is a direction's
    own. Rows are gathered into the order before the recurrence and put back behind it. With one direction everything
    is done in the order, so that the rows that are gathered and put back are those of the tokens, which are narrow.

    Args:
        width: features of a token.
        orders: (k, L) int64: the visiting order of each direction; or (k, sequences, steps), which are scanned each by
            itself.
        inner: features of the gate and of the recurrence's output.
        streams: features of the recurrence's inputs.
        direction: a function that makes a module for each direction, which maps the tokens (B, L, width) and the
            streams (B, L, streams), both in the visiting order, to (B, L, inner).
        norm: the gated norm.
        halve: average the directions instead of adding them.
        depth: blocks in the network: out_proj begins 1/√depth smaller, so that the residual stream's variance does not
            grow with depth.
    """

    orders: Tensor

    def __init__(
        self,
        width: int,
        orders: Tensor | Sequence[Tensor],
        *,
        inner: int,
        streams: int,
        direction: Callable[[], nn.Module],
        norm: GatedNorm,
        halve: bool,
        depth: int,
    ) -> None:
        super().__init__()
        self.register_buffer("orders", torch.stack(list(orders)))
        self.scale = 1.0 / len(orders) if halve else 1.0
        self.sizes = (inner, streams)
        self.in_proj = nn.Linear(width, sum(self.sizes), bias=False)
        self.directions = nn.ModuleList(direction() for _ in orders)
        self.norm = norm
        self.out_proj = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            self.out_proj.weight /= math.sqrt(depth)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, L, width) to the same shape, in natural order."""
        if len(self.directions) == 1:
            visit = Visit(self.orders[0])
            x = visit.take(x)
            gate, streams = projected(x, self.in_proj.weight, self.sizes)
            return visit.put(self.out_proj(self.norm(self.directions[0](x, streams), gate)))
        gate, streams = projected(x, self.in_proj.weight, self.sizes)
        total = torch.zeros_like(gate)
        for direction, order in zip(self.directions, self.orders, strict=True):
            visit = Visit(order)
            total = total + visit.put(direction(visit.take(x), visit.take(streams)))
        return self.out_proj(self.norm(total * self.scale, gate))
