"""Variance exploding: the data have weight 1, the noise shrinks geometrically.

Song et al., "Score-based generative modeling through stochastic differential equations" (2021), equation 31:
α = 1, σ = σ_min (σ_max/σ_min)^(1 − t).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from zigbench.interpolant.options import positive
from zigbench.interpolant.path.base import Path, path
from zigbench.interpolant.state import PathState


@path("ve")
@dataclass(frozen=True)
class VarianceExploding(Path):
    """α = 1, σ = σ_min (σ_max/σ_min)^(1 − t). Samples begin at σ_max ε and have noise of σ_min at the end.

    Args:
        sigma_min: noise at the data, in units of the data.
        sigma_max: noise at the start; about the largest distance between two data.
    """

    sigma_min: float = 0.01
    sigma_max: float = 50.0

    def __post_init__(self) -> None:
        positive(sigma_min=self.sigma_min, sigma_max=self.sigma_max)
        if self.sigma_max <= self.sigma_min:
            raise ValueError(f"sigma_max {self.sigma_max} must be above sigma_min {self.sigma_min}")

    @property
    def _decades(self) -> float:
        return math.log(self.sigma_max / self.sigma_min)

    def state(self, t: Tensor) -> PathState:
        sigma = self.sigma_min * torch.exp(self._decades * (1 - t))
        one = torch.ones_like(t)
        return PathState(alpha=one, sigma=sigma, dalpha=torch.zeros_like(t), dsigma=-self._decades * sigma)

    def time(self, log_snr: Tensor) -> Tensor:
        return (1 + (log_snr + math.log(self.sigma_min)) / self._decades).clamp(0, 1)
