"""Variance preserving diffusion with a linear noise rate, and its sub-VP variant.

Song et al., "Score-based generative modeling through stochastic differential equations" (2021), equations 29
(sub-VP) and 33 (VP). With u = 1 − t, the noise rate is β(u) = β₀ + u (β₁ − β₀) and

    log α = −½ ∫₀ᵘ β = −¼ u² (β₁ − β₀) − ½ u β₀,    α̇ = ½ β α,
    VP: σ = √(1 − α²),    sub-VP: σ = 1 − α².
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from zigbench.interpolant.options import positive
from zigbench.interpolant.path.base import Path, path
from zigbench.interpolant.state import PathState


@path("vp")
@dataclass(frozen=True)
class VariancePreserving(Path):
    """α from the noise rate, σ = √(1 − α²). At t = 0, α = 0.0066 with the usual rates: not quite pure noise.

    Args:
        beta_min: β₀, noise rate at the data.
        beta_max: β₁, noise rate at the noise.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        positive(beta_min=self.beta_min, beta_max=self.beta_max)
        if self.beta_max < self.beta_min:
            raise ValueError(f"beta_max {self.beta_max} is below beta_min {self.beta_min}")

    def _log_alpha(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return log α and d(log α)/dt."""
        u, spread = 1 - t, self.beta_max - self.beta_min
        return -0.25 * spread * u**2 - 0.5 * self.beta_min * u, 0.5 * (self.beta_min + spread * u)

    def _time_of(self, log_alpha: Tensor) -> Tensor:
        """Return root of ¼ spread u² + ½ β₀ u + log α = 0, in the form that loses no digits at u = 0."""
        half = 0.5 * self.beta_min
        log_alpha = log_alpha.clamp(min=-0.25 * (self.beta_max + self.beta_min))  # log α at the noise.
        u = -2 * log_alpha / (half + (half**2 - (self.beta_max - self.beta_min) * log_alpha).sqrt())
        return (1 - u).clamp(0, 1)

    def state(self, t: Tensor) -> PathState:
        log_alpha, rate = self._log_alpha(t)
        alpha = log_alpha.exp()
        sigma = (-torch.expm1(2 * log_alpha)).sqrt()
        return PathState(alpha=alpha, sigma=sigma, dalpha=rate * alpha, dsigma=-rate * alpha**2 / sigma)

    def time(self, log_snr: Tensor) -> Tensor:
        return self._time_of(0.5 * logsigmoid(2 * log_snr))


@path("sub-vp")
@dataclass(frozen=True)
class SubVariancePreserving(VariancePreserving):
    """α from the noise rate, σ = 1 − α²: less noise than VP at every t, and a finite slope at the data."""

    def state(self, t: Tensor) -> PathState:
        log_alpha, rate = self._log_alpha(t)
        alpha = log_alpha.exp()
        return PathState(
            alpha=alpha, sigma=-torch.expm1(2 * log_alpha), dalpha=rate * alpha, dsigma=-2 * rate * alpha**2
        )

    def time(self, log_snr: Tensor) -> Tensor:
        # r α² + α − r = 0 with r = α/σ; divided by r so that a large ratio does not overflow.
        inverse = (-log_snr).exp()
        alpha = 2 / (inverse + (inverse**2 + 4).sqrt())
        return self._time_of(alpha.log())
