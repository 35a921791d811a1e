"""The state of a path: its coefficients at one time."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PathState:
    """Coefficients of x_t = α x* + σ ε and their derivatives with respect to t; all of one shape.

    Attributes:
        alpha: weight of the data, in [0, 1].
        sigma: weight of the noise, at least 0.
        dalpha: dα/dt, at least 0.
        dsigma: dσ/dt, at most 0; -inf where σ reaches 0 with a vertical tangent (VP, cosine, linear-VP at t = 1).
    """

    alpha: Tensor
    sigma: Tensor
    dalpha: Tensor
    dsigma: Tensor

    @property
    def determinant(self) -> Tensor:
        """D = α σ̇ − σ α̇, of the linear map (x*, ε) → (x_t, velocity); negative where the path moves."""
        return self.alpha * self.dsigma - self.sigma * self.dalpha

    @property
    def drift_variance(self) -> Tensor:
        """d = (α̇/α) σ² − σ σ̇: half the squared diffusion of the process of Song et al. with this path.

        "Score-based generative modeling through stochastic differential equations" (2021), equation 29, with
        time reversed. Infinite where α = 0.
        """
        return self.dalpha / self.alpha * self.sigma**2 - self.sigma * self.dsigma
