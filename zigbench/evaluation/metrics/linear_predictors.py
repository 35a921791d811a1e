"""Reference predictors of the held-out loss: closed forms that know the training images' first two moments.

Along the straight path x_t = t x* + (1 − t) ε, a network that has learned nothing but the images' mean μ and covariance
Σ answers, at best, with the affine function of x_t that has the least mean squared error,

    v(x_t, t) = μ + (t Σ − (1 − t) I) (t² Σ + (1 − t)² I)⁻¹ (x_t − t μ),

whatever the images' distribution; it is the expected velocity x* − ε where they are Gaussian. It is the linear minimum
mean squared error estimator: Kay, "Fundamentals of statistical signal processing: estimation theory" (1993), theorem
12.1. A network whose loss is above this one has used no more than second moments, whatever its architecture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zigbench.interpolant.interpolant import Model

LARGEST = 2_048
"""Numbers in an image up to which the predictors are computed: an eigendecomposition of that size takes seconds."""

CHUNK = 1_024
"""Images that are summed over at once."""


@dataclass(frozen=True, eq=False)
class LinearPredictor:
    """The best affine predictor of the velocity for a mean and a covariance Σ = U diag(λ) Uᵀ + r (I − U Uᵀ).

    It is called like a network::

        predictor = LinearPredictor.linear(*moments(images))
        velocity = predictor(x, t)

    Args:
        mean: μ, float64 (D,).
        variances: λ, at least 0, float64 (K,).
        directions: U, orthonormal columns, float64 (D, K).
        rest: r, the variance in every direction that is orthogonal to U.
    """

    mean: Tensor
    variances: Tensor
    directions: Tensor
    rest: float = 0.0

    @classmethod
    def pixelwise(cls, mean: Tensor, covariance: Tensor) -> LinearPredictor:
        """Build the predictor that treats each pixel by itself, with a mean and a variance of its own."""
        return cls(mean, covariance.diagonal(), torch.eye(len(mean), dtype=mean.dtype))

    @classmethod
    def brightness(cls, mean: Tensor, covariance: Tensor) -> LinearPredictor:
        """Build the predictor from three numbers: the mean, the variances of an image's mean and of the rest."""
        direction = torch.full((len(mean), 1), len(mean) ** -0.5, dtype=mean.dtype)
        overall = mean.mean().expand_as(mean)
        # About the one mean of all pixels, not about each pixel's own.
        total = covariance.diagonal().sum() + (mean - overall).square().sum()
        variance = (direction.T @ covariance @ direction).reshape(1)
        return cls(overall, variance, direction, float((total - variance[0]) / max(1, len(mean) - 1)))

    @classmethod
    def linear(cls, mean: Tensor, covariance: Tensor) -> LinearPredictor:
        """Build the best affine predictor there is: with the mean and the full covariance."""
        variances, directions = torch.linalg.eigh(covariance)
        return cls(mean, variances.clamp(min=0), directions)

    def __call__(self, x: Tensor, t: Tensor, *, label: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """Return the velocity at x (B, …) and t (B,), float64, shaped like x; label and context are not used."""
        t = t.double()[:, None]
        offset = x.double().flatten(1) - t * self.mean
        along = offset @ self.directions
        gains, rest = _gain(self.variances, t), _gain(torch.tensor(self.rest), t)
        velocity = self.mean + rest * offset + ((gains - rest) * along) @ self.directions.T
        return velocity.reshape(x.shape)


def zero(x: Tensor, t: Tensor, *, label: Tensor | None = None, context: Tensor | None = None) -> Tensor:
    """Return no velocity, shaped like x."""
    return torch.zeros_like(x)


def reference_predictors(split: Any) -> Iterator[tuple[str, Model]]:
    """Yield the reference predictors of a training split, by name.

    Only ``zero`` needs no moments. The others are left out for splits that do not lie in memory and for images of more
    than :data:`LARGEST` numbers, ``linear`` also where there are no more images than numbers, whose covariance is
    singular.

    Args:
        split: the training images.
    """
    yield "zero", zero
    size = split.batch([0]).x.numel()
    if size > LARGEST or len(split) < 2 or not getattr(split, "resident", False):
        return
    mean, covariance = moments(split.batch(range(len(split))).x)
    yield "pixelwise", LinearPredictor.pixelwise(mean, covariance)
    yield "brightness", LinearPredictor.brightness(mean, covariance)
    if len(split) > size:
        yield "linear", LinearPredictor.linear(mean, covariance)


def moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (D,) and covariance (D, D), divisor N − 1, of images (N, …) in float64."""
    flat = images.flatten(1)
    mean = torch.stack([part.double().sum(0) for part in flat.split(CHUNK)]).sum(0) / len(flat)
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for part in flat.split(CHUNK):
        offset = part.double() - mean
        covariance.addmm_(offset.T, offset)
    return mean, covariance / (len(flat) - 1)


def _gain(variances: Tensor, t: Tensor) -> Tensor:
    """Return (t λ − (1 − t)) / (t² λ + (1 − t)²), the velocity's regression on x_t where the images' variance is λ."""
    return (t * variances - (1 - t)) / (t**2 * variances + (1 - t) ** 2)
