"""Generalised variance preserving: α = sin(πt/2), σ = cos(πt/2).

Albergo and Vanden-Eijnden, "Building normalizing flows with stochastic interpolants" (2023), equation 5; Ma et
al., "SiT" (2024), section 2. α² + σ² = 1 at every t, and both ends are reached.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from zigbench.interpolant.path.base import Path, path
from zigbench.interpolant.state import PathState

QUARTER = math.pi / 2


@path("gvp")
@dataclass(frozen=True)
class GeneralisedVariancePreserving(Path):
    """α = sin(πt/2), σ = cos(πt/2)."""

    def state(self, t: Tensor) -> PathState:
        # cos(πt/2) = sin(π(1 − t)/2), which is exactly 0 at t = 1.
        alpha, sigma = torch.sin(QUARTER * t), torch.sin(QUARTER * (1 - t))
        return PathState(alpha=alpha, sigma=sigma, dalpha=QUARTER * sigma, dsigma=-QUARTER * alpha)

    def time(self, log_snr: Tensor) -> Tensor:
        return torch.atan(log_snr.exp()) / QUARTER
