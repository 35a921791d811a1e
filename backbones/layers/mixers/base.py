"""The frame of mixers with a recurrence: shared projections and a gated norm around a recurrence along each order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from backbones.config.mixers import heads_of
from backbones.layers.mixers.initialisation import xavier
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


class LinearAttentionMixer(RecurrentMixer):
    """The frame of linear attentions: keys, queries and values, and norm(o) · SiLU(g) by head before out_proj.

    Values have the inner width and keys half of it. in_proj and out_proj begin as in flash-linear-attention, by
    :func:`backbones.layers.mixers.initialisation.xavier`.

    Args:
        width, orders, halve, depth: as of :class:`RecurrentMixer`.
        branch: a function that makes the module of a direction from the features of the keys and of the values, of all
            heads, and the number of heads; its streams are q, k and v.
        expand: inner width over width.
        head_width: values of a head, an even number; None for the size closest to 64.
    """

    def __init__(
        self,
        width: int,
        orders: Tensor | Sequence[Tensor],
        *,
        branch: Callable[[int, int, int], nn.Module],
        expand: int,
        head_width: int | None,
        halve: bool,
        depth: int,
    ) -> None:
        values = expand * width
        keys, heads = values // 2, heads_of(values, head_width, multiple=2)
        super().__init__(
            width,
            orders,
            inner=values,
            streams=2 * keys + values,
            direction=lambda: branch(keys, values, heads),
            norm=GatedNorm(values // heads, gate_first=False),
            halve=halve,
            depth=1,
        )
        xavier(self.out_proj.weight, depth=depth)
        for part in self.in_proj.weight.split([values, keys, keys, values]):
            xavier(part)
