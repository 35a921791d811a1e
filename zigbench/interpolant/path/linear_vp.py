"""Variance preserving with a linear signal: α = t, σ = √(1 − t²).

The linear-VP scheduler of Lipman et al., "Flow matching guide and code" (2024), section 4.8.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zigbench.interpolant.path.base import Path, path
from zigbench.interpolant.state import PathState


@path("linear-vp")
@dataclass(frozen=True)
class LinearVariancePreserving(Path):
    """α = t, σ = √(1 − t²)."""

    def state(self, t: Tensor) -> PathState:
        sigma = ((1 - t) * (1 + t)).sqrt()
        return PathState(alpha=t, sigma=sigma, dalpha=torch.ones_like(t), dsigma=-t / sigma)

    def time(self, log_snr: Tensor) -> Tensor:
        return torch.sigmoid(2 * log_snr).sqrt()
