"""Straight line: α = t, σ = 1 − t.

Lipman et al., "Flow matching for generative modeling" (2023), equation 22 with σ_min = 0; Liu et al.,
"Flow straight and fast" (2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zigbench.interpolant.path.base import Path, path
from zigbench.interpolant.state import PathState


@path("linear")
@dataclass(frozen=True)
class Linear(Path):
    """α = t, σ = 1 − t."""

    def state(self, t: Tensor) -> PathState:
        one = torch.ones_like(t)
        return PathState(alpha=t, sigma=1 - t, dalpha=one, dsigma=-one)

    def time(self, log_snr: Tensor) -> Tensor:
        return torch.sigmoid(log_snr)
