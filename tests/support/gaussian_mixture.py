"""A mixture of Gaussians, for which everything along every path is known in closed form.

With x* ~ Σ_k w_k N(μ_k, s_k² I), x_t is the mixture of N(α μ_k, (α² s_k² + σ²) I); given the component, data and
noise given x_t are Gaussian with linear means. Textbook conditioning; nothing here uses the conversions that it
serves to prove.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor

from zigbench.interpolant.interpolant import Interpolant, Model
from zigbench.interpolant.state import PathState

MEANINGS: dict[str, Callable[[PathState, Tensor, Tensor], Tensor]] = {
    "velocity": lambda state, data, noise: state.dalpha * data + state.dsigma * noise,
    "score": lambda state, data, noise: -noise / state.sigma,
    "noise": lambda state, data, noise: noise,
    "data": lambda state, data, noise: data,
}
"""Each prediction by its definition, of coefficients that broadcast."""


def meanings(state: PathState, data: Tensor, noise: Tensor) -> dict[str, Tensor]:
    """Return each prediction.

    Args:
        state: the path at the times (B,) or ().
        data, noise: (B, …).
    """
    shape = (-1, *[1] * (data.dim() - 1))
    wide = PathState(**{field.name: getattr(state, field.name).reshape(shape) for field in fields(state)})
    return {name: meaning(wide, data, noise) for name, meaning in MEANINGS.items()}


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """Isotropic Gaussians in the space of the samples.

    Args:
        means: (K, …), one mean per component, shaped like a sample.
        scales: (K,), standard deviations, above 0.
        weights: (K,), positive, summing to 1.
    """

    means: Tensor
    scales: Tensor
    weights: Tensor

    @classmethod
    def single(cls, mean: Tensor, scale: float) -> GaussianMixture:
        """One Gaussian with the mean (…) and the standard deviation ``scale``."""
        one = torch.ones(1, dtype=mean.dtype)
        return cls(mean[None], scale * one, one)

    @property
    def dimension(self) -> int:
        """Numbers in one sample."""
        return self.means[0].numel()

    def sample(self, count: int, generator: Generator) -> Tensor:
        """``count`` samples, (count, …)."""
        index = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = torch.randn((count, *self.means.shape[1:]), generator=generator, dtype=self.means.dtype)
        return self.means[index] + self.scales[index].reshape(-1, *[1] * (noise.dim() - 1)) * noise

    def log_prob(self, x: Tensor, alpha: Tensor | float = 1.0, sigma: Tensor | float = 0.0) -> Tensor:
        """log density of α x* + σ ε at x (B, …), in nats, (B,)."""
        return self._joint(x, *self._columns(alpha, sigma)).logsumexp(1)

    def posterior(self, x: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """E[x* | x] and E[ε | x] of x = α x* + σ ε; x (B, …), α and σ () or (B,)."""
        alpha, sigma = self._columns(alpha, sigma)
        share = self._joint(x, alpha, sigma).softmax(1)  # (B, K)
        offset = x[:, None].flatten(2) - alpha[..., None] * self.means.flatten(1)  # (B, K, D)
        variance = (alpha * self.scales) ** 2 + sigma**2  # (B, K)
        gain = alpha * self.scales**2 / variance
        data = (share[..., None] * (self.means.flatten(1) + gain[..., None] * offset)).sum(1)
        noise = ((share * sigma / variance)[..., None] * offset).sum(1)
        return data.reshape(x.shape), noise.reshape(x.shape)

    def model(self, interpolant: Interpolant) -> Model:
        """The perfect network for this distribution along ``interpolant``: what training would converge to."""

        def perfect(x: Tensor, t: Tensor, *, label: Tensor | None = None, context: Tensor | None = None) -> Tensor:
            state = interpolant.state(t)
            data, noise = self.posterior(x.double(), state.alpha, state.sigma)
            output = meanings(state, data, noise)[interpolant.prediction]
            return output.to(x.dtype)

        return perfect

    def classifier(self, interpolant: Interpolant) -> Callable[[Tensor, Tensor], Tensor]:
        """The perfect classifier of the components along ``interpolant``, as logits."""

        def perfect(x: Tensor, t: Tensor) -> Tensor:
            state = interpolant.state(t)
            return self._joint(x, *self._columns(state.alpha, state.sigma)).to(x.dtype)

        return perfect

    def _columns(self, alpha: Tensor | float, sigma: Tensor | float) -> tuple[Tensor, Tensor]:
        """α and σ as (B, 1) or (1, 1)."""
        like = self.means
        return (
            torch.as_tensor(alpha, dtype=like.dtype).reshape(-1, 1),
            torch.as_tensor(sigma, dtype=like.dtype).reshape(-1, 1),
        )

    def _joint(self, x: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """log of weight × density of each component, (B, K)."""
        variance = (alpha * self.scales) ** 2 + sigma**2
        offset = x[:, None].flatten(2) - alpha[..., None] * self.means.flatten(1)
        distance = offset.square().sum(2) / variance
        return self.weights.log() - 0.5 * (distance + self.dimension * (2 * math.pi * variance).log())
