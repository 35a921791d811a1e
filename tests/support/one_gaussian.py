"""Batches and closed forms on one Gaussian, for all tests of objectives."""

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


class Map(Exact):
    """The velocity that stands for the end of one Gaussian's flow as the expected datum, plus shift and slope · x."""

    def forward(self, x: Tensor, t: Tensor, *, label=None, context=None, end: Tensor | None = None) -> Tensor:
        state = self.interpolant.path.state(t.double().reshape(-1, 1, 1, 1))
        # The inverse of the datum that a velocity stands for, (σ̇ x − σ v) / (σ̇ α − σ α̇); at σ = 0 any velocity does.
        datum = flow(self.interpolant, x, t.double(), torch.ones_like(t).double())
        determinant = state.dsigma * state.alpha - state.sigma * state.dalpha
        velocity = (state.dsigma * x - determinant * datum) / state.sigma.clamp(min=1e-9)
        return velocity + self.shift + self.slope * x


class Velocity(Exact):
    """The velocity of one Gaussian's flow."""

    def forward(self, x: Tensor, t: Tensor, **conditions: Tensor | None) -> Tensor:
        state = self.interpolant.path.state(t.double().reshape(-1, 1, 1, 1))
        variance = (state.alpha * SCALE) ** 2 + state.sigma**2
        offset = (x - state.alpha * MEAN) / variance
        return state.dalpha * MEAN + (state.alpha * state.dalpha * SCALE**2 + state.sigma * state.dsigma) * offset


class Straight(nn.Module):
    """The velocity of the straight lines x₀ to MEAN + SCALE x₀ (reflow's fixed point), plus a trained shift."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor, t: Tensor, *, label=None, context=None) -> Tensor:
        t = t.reshape(-1, 1, 1, 1)
        return MEAN + (SCALE - 1) * (x - t * MEAN) / (1 - t + t * SCALE) + self.shift
