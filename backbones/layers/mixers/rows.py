"""Rows of tokens in a visiting order and back, and the projections and the norm that mixers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from backbones.ops import checks
from backbones.ops.norm.gated_norm import gated_rms_norm

NORM_EPS = 1e-5
"""As in the releases of Mamba-2, of gated linear attention and of Gated DeltaNet."""


def _permuted(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    """Return the rows of x (B, L, …) in an order (L,), of which the inverse is given too."""
    if not torch.compiler.is_compiling() and checks.in_forward_mode():
        return x.index_select(1, order)
    return _Permuted.apply(x, order, inverse)


class _Permuted(torch.autograd.Function):
    """Rows in another order; the gradient takes the inverse and adds nothing up."""

    @staticmethod
    def forward(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        return x.index_select(1, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        order, inverse = ctx.saved_tensors
        return _Permuted.apply(gradient, inverse, order), None, None


class Visit:
    """One visiting order: rows are taken along it, and put back to their natural places.

    Args:
        order: (L,) int64; or (sequences, steps), each of whose sequences becomes a sample of its own.
    """

    def __init__(self, order: Tensor) -> None:
        self.shape = order.shape
        self.order = order.flatten()
        self.inverse = self.order.argsort()

    def take(self, x: Tensor) -> Tensor:
        """Return the rows of x (B, L, …) in the order: (B, L, …) or (B · sequences, steps, …)."""
        rows = _permuted(x, self.order, self.inverse)
        return rows.unflatten(1, self.shape).flatten(0, 1) if len(self.shape) == 2 else rows

    def put(self, rows: Tensor) -> Tensor:
        """Return rows in the order, as :meth:`take` gave them, at their natural places: (B, L, …)."""
        if len(self.shape) == 2:
            rows = rows.unflatten(0, (-1, self.shape[0])).flatten(1, 2)
        return _permuted(rows, self.inverse, self.order)


def projected(x: Tensor, weight: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """Return x (B, L, width) times a weight (sum of sizes, width), split into features of those sizes."""
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        # One product each: the backward pass of a single one would first copy all gradients into one tensor.
        return tuple(linear(x, part) for part in weight.split(list(sizes)))
    return linear(x, weight).split(list(sizes), dim=-1)


class GatedNorm(nn.Module):
    """RMSNorm over groups of features and a gate SiLU(z), which comes before or after the norm.

    Args:
        width: features of a group.
        gate_first: norm(y · SiLU(z)) as Mamba-2, instead of norm(y) · SiLU(z).
    """

    def __init__(self, width: int, *, gate_first: bool) -> None:
        super().__init__()
        self.gate_first = gate_first
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, y: Tensor, z: Tensor) -> Tensor:
        """Map y and z (B, L, groups · width) to the same shape."""
        return gated_rms_norm(y, z, self.weight, NORM_EPS, gate_first=self.gate_first)
