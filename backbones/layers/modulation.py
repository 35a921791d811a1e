"""adaLN's shift, scale and gate, and stochastic depth."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Return x (1 + scale) + shift, with x (B, L, width) and shift, scale (B, width)."""
    return torch.addcmul(shift.unsqueeze(1), x, 1 + scale.unsqueeze(1))


def gated(x: Tensor, gate: Tensor, branch: Tensor) -> Tensor:
    """Return x + gate · branch, with x and branch (B, L, width) and gate (B, width)."""
    return torch.addcmul(x, gate.unsqueeze(1), branch)


class Modulation(nn.Module):
    """Linear(width → parts · width) of the activated condition, zero at the start (adaLN-zero).

    Every block applies it to the same SiLU(c), so the activation is taken once, outside.
    """

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, activated: Tensor) -> tuple[Tensor, ...]:
        """Map (B, width) to ``parts`` tensors (B, width)."""
        return self.linear(activated).chunk(self.parts, dim=1)


class DropPath(nn.Module):
    """A layer that zeroes a sample's whole branch with probability ``rate`` in training, and scales the others.

    Draws from torch's global generator, which a trainer seeds at each step.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return x (B, …), with the branch of some samples zeroed in training."""
        if self.rate == 0.0 or not self.training:
            return x
        if self.rate == 1.0:
            return torch.zeros_like(x)
        keep = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), device=x.device) >= self.rate
        return x * (keep.to(x.dtype) / (1.0 - self.rate))


def depth_rates(rate: float, depth: int) -> list[float]:
    """Return the rates from 0 at the first block to ``rate`` at the last, linear in depth."""
    return [rate * i / (depth - 1) if depth > 1 else 0.0 for i in range(depth)]
