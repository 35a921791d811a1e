"""Cosine schedule with an offset at the data.

Nichol and Dhariwal, "Improved denoising diffusion probabilistic models" (2021), equation 17: with u = 1 − t,

    α = cos((u + s)/(1 + s) · π/2) / cos(s/(1 + s) · π/2),    σ = √(1 − α²).

Without the offset s it is the GVP path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from zigbench.interpolant.path.base import Path, path
from zigbench.interpolant.state import PathState


@path("cosine")
@dataclass(frozen=True)
class Cosine(Path):
    """α = cos θ / cos θ₀, σ = √(1 − α²), with θ running from π/2 at the noise to θ₀ at the data.

    Args:
        offset: s, above 0: keeps the noise from vanishing too slowly near the data.
    """

    offset: float = 0.008

    def __post_init__(self) -> None:
        if not self.offset > 0:
            raise ValueError(f"offset is {self.offset}; it must be above 0 (the path without one is 'gvp')")

    @property
    def _speed(self) -> float:
        return math.pi / 2 / (1 + self.offset)

    def state(self, t: Tensor) -> PathState:
        start = self.offset * self._speed
        # cos θ = sin(π/2 − θ), exactly 0 at t = 0; sin²θ − sin²θ₀ = sin(θ − θ₀) sin(θ + θ₀), exactly 0 at t = 1.
        rest = self._speed * (1 - t)
        alpha = torch.sin(self._speed * t) / math.cos(start)
        sigma = (torch.sin(rest) * torch.sin(rest + 2 * start)).sqrt() / math.cos(start)
        dalpha = self._speed * torch.cos(self._speed * t) / math.cos(start)
        return PathState(alpha=alpha, sigma=sigma, dalpha=dalpha, dsigma=-alpha * dalpha / sigma)

    def time(self, log_snr: Tensor) -> Tensor:
        alpha = torch.sigmoid(2 * log_snr).sqrt()
        sine = (alpha * math.cos(self.offset * self._speed)).clamp(0, 1)
        return (torch.asin(sine) / self._speed).clamp(0, 1)
