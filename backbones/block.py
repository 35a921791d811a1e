"""A mixer for other networks: tokens in, tokens out, along any scan curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from backbones.config.base import ScanConfig
from backbones.config.mixers import MIXERS
from zigbench.scan import ScanOrder, make_order
from zigbench.spec.registry import load_object, nearest

Order = str | ScanOrder | Tensor | np.ndarray[Any, Any] | list[int]


class ScanMixer(nn.Module):
    """A mixer that visits its tokens in a given order: (batch, L, dim) to the same shape, in natural order.

    >>> block = ScanMixer(64, "gla", "hilbert", grid=(16, 24))
    >>> block(torch.randn(2, 16 * 24, 64)).shape
    torch.Size([2, 384, 64])

    It has neither norm nor residual: write ``x = x + block(norm(x))``.

    Args:
        dim: features of a token.
        mixer: a mixer's name, as a run's ``backbone.config.mixer``.
        order: a registered curve's name, for which ``grid`` is given; a :class:`zigbench.scan.ScanOrder`; or L
            natural indices, the one visited first at first.
        grid: (height, width) or (frames, height, width) of the tokens, for a curve's name.
        variant: which of the curve's eight symmetries, for a curve's name.
        bidirectional: scan the reverse of the order too, with parameters of its own.
        keys: the mixer's own: ``d_state``, ``d_conv``, ``expand``, ``head_width``, as far as it has them.

    Raises:
        ValueError: an unknown mixer, a key that it does not have or a size that is impossible, an unknown curve, a
            curve without a grid, or an order that is no permutation.
    """

    def __init__(
        self,
        dim: int,
        mixer: str,
        order: Order,
        *,
        grid: tuple[int, ...] | None = None,
        variant: int = 0,
        bidirectional: bool = False,
        **keys: int,
    ) -> None:
        super().__init__()
        visited = _visited(order, grid, variant)
        _check_keys(dim, mixer, keys)
        orders = [visited, visited.flip(0)] if bidirectional else [visited]
        self.length = len(visited)
        self.mixer: nn.Module = load_object(MIXERS[mixer].layer)(dim, orders, **keys)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens x (batch, L, dim) along the order."""
        if x.ndim != 3 or x.shape[1] != self.length:
            raise ValueError(f"x has shape {tuple(x.shape)}; this block's order visits (batch, {self.length}, dim)")
        return self.mixer(x)


class ScanMamba(ScanMixer):
    """A :class:`ScanMixer` whose mixer is Mamba's: ``ScanMamba(dim, order)``."""

    def __init__(self, dim: int, order: Order, **arguments: Any) -> None:
        super().__init__(dim, "mamba", order, **arguments)


def _check_keys(dim: int, mixer: str, keys: dict[str, int]) -> None:
    if mixer not in MIXERS:
        near = nearest(mixer, list(MIXERS))
        hint = f"did you mean {near!r}? " if near else ""
        raise ValueError(f"unknown mixer {mixer!r}; {hint}known: {', '.join(MIXERS)}")
    for key in keys:
        if key not in MIXERS[mixer].keys:
            raise ValueError(f"the mixer {mixer!r} has no {key!r}; it has {', '.join(MIXERS[mixer].keys)}")
    sizes: dict[str, Any] = {"width": dim, **keys}
    problems = MIXERS[mixer].faults(ScanConfig.model_construct(**sizes))
    if faults := [str(fault).removeprefix("backbone.config.") for fault in problems]:
        raise ValueError(f"the mixer {mixer!r} of {dim} features: {'; '.join(faults)}")


def _visited(order: Order, grid: tuple[int, ...] | None, variant: int) -> Tensor:
    if isinstance(order, str):
        if grid is None:
            raise ValueError(f"the curve {order!r} needs a grid: pass grid=(height, width)")
        order = make_order(order, grid, variant)
    if isinstance(order, ScanOrder):
        return torch.tensor(order.order)
    visited = torch.as_tensor(order)
    if visited.ndim != 1 or not torch.equal(visited.sort().values, torch.arange(len(visited)).to(visited)):
        raise ValueError(f"the order is no permutation of 0 … {visited.numel() - 1}: each token once, in one dimension")
    return visited.to(torch.int64)
