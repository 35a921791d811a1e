"""Predictions: the meanings of a network's output, and the conversions between them.

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
"""The quantities that a network can predict."""


PARTS = {"velocity": ("data", "noise"), "score": ("noise",), "noise": ("noise",), "data": ("data",)}
"""The parts of each prediction: data, noise or both."""


class Affine(NamedTuple):
    """Coefficients of target = of_x · x + of_output · output."""

    of_x: Tensor
    of_output: Tensor


def to_part(source: str, part: str, state: PathState) -> Affine:
    """Return the coefficients of "data" or "noise" in x and an output that means ``source``.

    Not finite where the output does not determine it (the data from the noise where α = 0);
    :mod:`zigbench.interpolant.cutoff` keeps evaluations away from there.
    """
    return _data(source, state) if part == "data" else _noise(source, state)


def conversion(source: str, target: str, clamped: PathState, state: PathState) -> Affine:
    """Return the coefficients of ``target`` in x and an output that means ``source``, by way of data and noise.

    Args:
        source, target: two of :data:`PREDICTIONS`.
        clamped: the path at the time at which data and noise are computed from the output.
        state: the path at the time at which the target is computed from them; the same time except next to an end.
    """
    of_x = of_output = torch.zeros_like(clamped.alpha)
    for part, share in zip(("data", "noise"), definition(target, state), strict=True):
        if part in PARTS[target]:
            affine = to_part(source, part, clamped)
            of_x, of_output = of_x + share * affine.of_x, of_output + share * affine.of_output
    return Affine(of_x, of_output)


def _data(source: str, state: PathState) -> Affine:
    """Return the coefficients of x*."""
    alpha, sigma = state.alpha, state.sigma
    if source == "velocity":
        return Affine(state.dsigma / state.determinant, -sigma / state.determinant)
    if source == "score":
        return Affine(1 / alpha, sigma**2 / alpha)
    if source == "noise":
        return Affine(1 / alpha, -sigma / alpha)
    return Affine(torch.zeros_like(alpha), torch.ones_like(alpha))


def _noise(source: str, state: PathState) -> Affine:
    """Return the coefficients of ε."""
    alpha, sigma = state.alpha, state.sigma
    if source == "velocity":
        return Affine(-state.dalpha / state.determinant, alpha / state.determinant)
    if source == "score":
        return Affine(torch.zeros_like(alpha), -sigma)
    if source == "data":
        return Affine(1 / sigma, -alpha / sigma)
    return Affine(torch.zeros_like(alpha), torch.ones_like(alpha))


def definition(prediction: str, state: PathState) -> Affine:
    """Return the coefficients (of x*, of ε) of a prediction."""
    if prediction == "velocity":
        return Affine(state.dalpha, state.dsigma)
    zero = torch.zeros_like(state.alpha)
    if prediction == "score":
        return Affine(zero, -1 / state.sigma)
    one = torch.ones_like(state.alpha)
    return Affine(zero, one) if prediction == "noise" else Affine(one, zero)
