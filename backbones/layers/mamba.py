"""The Mamba mixer, with any number of scan directions between one in_proj and one out_proj."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu

from backbones.config.layers import dt_rank
from backbones.layers.mixers.initialisation import step_bias, wide
from backbones.ops import causal_conv, selective_scan


class SelectiveScanBranch(nn.Module):
    """One selective scan with its own convolution, projections, A and D (Gu and Dao 2023, algorithm 2).

    Args:
        width: features of a token outside the mixer; sets the rank of Δ's projection.
        inner: channels that are scanned.
        order: (L,) or (sequences, steps) int64, the visiting order. It is a buffer, so that it is saved with the
            weights, and always the same tensor, so that the scan checks it once.
    """

    order: Tensor

    def __init__(self, width: int, inner: int, order: Tensor, *, d_state: int, d_conv: int) -> None:
        super().__init__()
        self.register_buffer("order", order.clone())
        rank = dt_rank(width)
        self.split = (rank, d_state, d_state)
        # The default initialisation of a depthwise convolution: fan-in is the number of taps.
        bound = d_conv**-0.5
        self.conv_weight = nn.Parameter(torch.empty(inner, d_conv).uniform_(-bound, bound))
        self.conv_bias = nn.Parameter(torch.empty(inner).uniform_(-bound, bound))
        self.x_proj = nn.Linear(inner, sum(self.split), bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        nn.init.uniform_(self.dt_proj.weight, -(rank**-0.5), rank**-0.5)
        with torch.no_grad():
            self.dt_proj.bias.copy_(step_bias(inner))
        self.A_log = nn.Parameter(torch.arange(1, d_state + 1, dtype=torch.float32).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """Scan x (B, L, inner); return the same shape in natural order, times SiLU(z) if z is given."""
        u = causal_conv(x, self.conv_weight, self.conv_bias, activation="silu", order=self.order)
        low, B, C = self.x_proj(u).split(self.split, dim=-1)
        return selective_scan(
            u,
            linear(low, self.dt_proj.weight),
            -torch.exp(wide(self.A_log)),
            B,
            C,
            wide(self.D),
            z,
            delta_bias=wide(self.dt_proj.bias),
            delta_softplus=True,
            order=self.order,
        )


class MambaMixer(nn.Module):
    """in_proj, a scan along each order, their sum gated by SiLU(z), out_proj.

    Args:
        width: features of a token.
        orders: (k, L) int64: the visiting order of each direction; or (k, sequences, steps), which are scanned each
            by itself.
        halve: average the directions instead of adding them, as Vision Mamba does for its two.
        depth: blocks in the network: out_proj begins 1/√depth smaller, so that the residual stream's variance
            does not grow with depth.
    """

    def __init__(
        self,
        width: int,
        orders: Tensor | Sequence[Tensor],
        *,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        halve: bool = False,
        depth: int = 1,
    ) -> None:
        super().__init__()
        inner = expand * width
        self.scale = 1.0 / len(orders) if halve else 1.0
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.directions = nn.ModuleList(
            SelectiveScanBranch(width, inner, order, d_state=d_state, d_conv=d_conv) for order in orders
        )
        self.out_proj = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            self.out_proj.weight /= math.sqrt(depth)

    @property
    def orders(self) -> Tensor:
        """(k, L) or (k, sequences, steps): the visiting order of each direction."""
        return torch.stack(
            [direction.order for direction in self.directions if isinstance(direction, SelectiveScanBranch)]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, L, width) to the same shape, in natural order."""
        x, z = self._project(x)
        if len(self.directions) == 1:
            return self.out_proj(self.directions[0](x, z))
        total = sum(direction(x) for direction in self.directions)
        return self.out_proj(total * (silu(z) * self.scale))

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the input of the scans and their gate, (B, L, inner) each."""
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            # Two products: the backward pass of a single one would first copy both gradients into one tensor.
            wx, wz = self.in_proj.weight.chunk(2)
            return linear(x, wx), linear(x, wz)
        return self.in_proj(x).chunk(2, dim=-1)
