"""Batches and closed forms on one Gaussian that the tests of objectives share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zigbench.interpolant import Interpolant

MEAN, SCALE = 0.7, 0.4


@dataclass
class Part:
    """A part of a training batch."""

    x: Tensor
    noise: Tensor
    t: Tensor
    end: Tensor | None = None
    label: Tensor | None = None
    context: Tensor | None = None


def drawn(count: int, seed: int = 0) -> Part:
    """Data of N(MEAN, SCALE²), noise, and ordered ends of intervals, in float64."""
    generator = torch.Generator().manual_seed(seed)
    noise, x = torch.randn(2, count, 1, 1, 1, generator=generator, dtype=torch.float64)
    ends = torch.rand(2, count, generator=generator, dtype=torch.float64).sort(0).values
    return Part(MEAN + SCALE * x, noise, ends[0], ends[1])


def flow(interpolant: Interpolant, x: Tensor, t: Tensor, end: Tensor) -> Tensor:
    """The probability flow of one Gaussian from t to ``end``: it keeps the number of standard deviations."""
    (here, there) = (interpolant.path.state(time.reshape(-1, 1, 1, 1)) for time in (t, end))
    spread = [((state.alpha * SCALE) ** 2 + state.sigma**2).sqrt() for state in (here, there)]
    return there.alpha * MEAN + spread[1] / spread[0] * (x - here.alpha * MEAN)


class Exact(nn.Module):
    """The mean velocity of one Gaussian's flow, plus ``shift`` and ``slope`` · x, which are 0 and trained."""

    def __init__(self, interpolant: Interpolant) -> None:
        super().__init__()
        self.interpolant = interpolant
        self.shift, self.slope = (nn.Parameter(torch.zeros((), dtype=torch.float64)) for _ in range(2))

    def forward(self, x: Tensor, t: Tensor, *, label=None, context=None, end: Tensor | None = None) -> Tensor:
        end = t if end is None else end
        # A short interval stands for a moment, where the quotient has no value.
        end = torch.where(end - t < 1e-4, t + 1e-4, end)
        crossed = flow(self.interpolant, x, t, end) - x
        return crossed / (end - t).reshape(-1, 1, 1, 1) + self.shift + self.slope * x
