"""What a network's output means, and how one meaning turns into another.

With x = α x* + σ ε and its velocity v = α̇ x* + σ̇ ε, each of velocity, score (s = −ε/σ), noise (ε) and data (x*)
is affine in (x, output), so its expectation given x is the same affine map of the network's expectation:
target = a x + b output. Albergo et al., "Stochastic interpolants" (2023), section 2; Ma et al., "SiT" (2024),
equations 4 to 9. The coefficients are computed in float64 and applied in the precision of x.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zigbench.interpolant.state import PathState

PREDICTIONS = ("velocity", "score", "noise", "data")
"""What a network can predict."""


class Affine(NamedTuple):
    """Coefficients of target = of_x · x + of_output · output."""

    of_x: Tensor
    of_output: Tensor


def conversion(source: str, target: str, state: PathState) -> Affine:
    """How ``target`` follows from x and an output that means ``source``.

    Not finite where the output does not determine the target (for instance the data from the noise where
    α = 0); :mod:`zigbench.interpolant.cutoff` keeps evaluations away from there.
    """
    zero, one = torch.zeros_like(state.alpha), torch.ones_like(state.alpha)
    if source == target:
        return Affine(zero, one)
    if target == "data":
        return _data(source, state)
    if target == "noise":
        return _noise(source, state)
    noise = _noise(source, state)
    if target == "score":
        return Affine(-noise.of_x / state.sigma, -noise.of_output / state.sigma)
    data = _data(source, state)
    return Affine(
        state.dalpha * data.of_x + state.dsigma * noise.of_x,
        state.dalpha * data.of_output + state.dsigma * noise.of_output,
    )


def _data(source: str, state: PathState) -> Affine:
    """Coefficients of x*."""
    alpha, sigma = state.alpha, state.sigma
    if source == "velocity":
        return Affine(state.dsigma / state.determinant, -sigma / state.determinant)
    if source == "score":
        return Affine(1 / alpha, sigma**2 / alpha)
    if source == "noise":
        return Affine(1 / alpha, -sigma / alpha)
    return Affine(torch.zeros_like(alpha), torch.ones_like(alpha))


def _noise(source: str, state: PathState) -> Affine:
    """Coefficients of ε."""
    alpha, sigma = state.alpha, state.sigma
    if source == "velocity":
        return Affine(-state.dalpha / state.determinant, alpha / state.determinant)
    if source == "score":
        return Affine(torch.zeros_like(alpha), -sigma)
    if source == "data":
        return Affine(1 / sigma, -alpha / sigma)
    return Affine(torch.zeros_like(alpha), torch.ones_like(alpha))


def definition(prediction: str, state: PathState) -> Affine:
    """Coefficients (of x*, of ε) of what is predicted."""
    zero, one = torch.zeros_like(state.alpha), torch.ones_like(state.alpha)
    return {
        "velocity": Affine(state.dalpha, state.dsigma),
        "score": Affine(zero, -1 / state.sigma),
        "noise": Affine(zero, one),
        "data": Affine(one, zero),
    }[prediction]
