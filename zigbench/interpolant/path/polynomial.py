"""Power of time: α = tⁿ, σ = 1 − tⁿ; n = 1 is the straight line.

Lipman et al., "Flow matching guide and code" (2024), section 4.8: any increasing schedule from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zigbench.interpolant.options import positive
from zigbench.interpolant.path.base import Path, path
from zigbench.interpolant.state import PathState


@path("polynomial")
@dataclass(frozen=True)
class Polynomial(Path):
    """α = tⁿ, σ = 1 − tⁿ.

    Args:
        degree: n, above 0. Above 1 the path lingers at the noise, below 1 it leaves it with infinite speed.
    """

    degree: float = 2.0

    def __post_init__(self) -> None:
        positive(degree=self.degree)

    def state(self, t: Tensor) -> PathState:
        alpha = t**self.degree
        speed = self.degree * t ** (self.degree - 1)
        return PathState(alpha=alpha, sigma=1 - alpha, dalpha=speed, dsigma=-speed)

    def time(self, log_snr: Tensor) -> Tensor:
        return torch.sigmoid(log_snr) ** (1 / self.degree)
