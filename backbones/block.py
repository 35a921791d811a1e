"""A Mamba block for other networks: tokens in, tokens out, along any scan curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from backbones.layers.mamba import MambaMixer
from zigbench.scan import ScanOrder, make_order


class ScanMamba(nn.Module):
    """A Mamba mixer that visits its tokens in a given order: (batch, L, dim) to the same shape, in natural order.

    >>> block = ScanMamba(64, "hilbert", grid=(16, 24))
    >>> block(torch.randn(2, 16 * 24, 64)).shape
    torch.Size([2, 384, 64])

    It has neither norm nor residual: write ``x = x + block(norm(x))``.

    Args:
        dim: features of a token.
        order: a registered curve's name, for which ``grid`` is given; a :class:`zigbench.scan.ScanOrder`; or L
            natural indices, the one visited first at first.
        grid: (height, width) or (frames, height, width) of the tokens, for a curve's name.
        variant: which of the curve's eight symmetries, for a curve's name.
        bidirectional: scan the reverse of the order too, with parameters of its own.
        d_state, d_conv, expand: states per channel, taps of the convolution, inner width over dim.

    Raises:
        ValueError: an unknown curve, a curve without a grid, or an order that is no permutation.
    """

    def __init__(
        self,
        dim: int,
        order: str | ScanOrder | Tensor | np.ndarray[Any, Any] | list[int],
        *,
        grid: tuple[int, ...] | None = None,
        variant: int = 0,
        bidirectional: bool = False,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
    ) -> None:
        super().__init__()
        visited = _visited(order, grid, variant)
        orders = [visited, visited.flip(0)] if bidirectional else [visited]
        self.mixer = MambaMixer(dim, orders, d_state=d_state, d_conv=d_conv, expand=expand)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens x (batch, L, dim) along the order."""
        length = self.mixer.orders.shape[1]
        if x.ndim != 3 or x.shape[1] != length:
            raise ValueError(f"x has shape {tuple(x.shape)}; this block's order visits (batch, {length}, dim)")
        return self.mixer(x)


def _visited(order: Any, grid: tuple[int, ...] | None, variant: int) -> Tensor:
    if isinstance(order, str):
        if grid is None:
            raise ValueError(f"the curve {order!r} needs a grid: ScanMamba(dim, {order!r}, grid=(height, width))")
        order = make_order(order, grid, variant)
    if isinstance(order, ScanOrder):
        return torch.tensor(order.order)
    visited = torch.as_tensor(order)
    if visited.ndim != 1 or not torch.equal(visited.sort().values, torch.arange(len(visited)).to(visited)):
        raise ValueError(f"the order is no permutation of 0 … {visited.numel() - 1}: each token once, in one dimension")
    return visited.to(torch.int64)
