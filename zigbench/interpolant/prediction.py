"""Predictions: the meanings of a network's output, and the conversions between them.

With x = α x* + σ ε, each prediction is a mixture y = a x* + b ε: the velocity α̇ x* + σ̇ ε, the score −ε/σ, the noise
ε, the data x*. So x*, ε and every other mixture are affine in (x, y), and the expectation of one given x is the same
affine map of the network's expectation of the other: target = a x + b output. Albergo et al., "Stochastic interpolants"
(2023), section 2; Ma et al., "SiT" (2024), equations 4 to 9. The coefficients are computed in float64 and applied in
the precision of x.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from zigbench.interpolant.state import PathState
from zigbench.spec.registry import add_member
from zigbench.spec.sections.interpolant import PREDICTIONS

__all__ = ["MEMBERS", "PREDICTIONS", "Affine", "Prediction", "Shares", "conversion", "prediction", "to_part"]


class Affine(NamedTuple):
    """Coefficients of target = of_x · x + of_output · output."""

    of_x: Tensor
    of_output: Tensor


class Shares(NamedTuple):
    """Shares of data and noise in y = data · x* + noise · ε, each shaped like the path's coefficients."""

    data: Tensor
    noise: Tensor


Definition = Callable[[PathState], Shares]


@dataclass(frozen=True)
class Prediction:
    """A meaning of a network's output.

    Attributes:
        definition: the shares of data and noise.
        parts: which of data and noise it is made of; the share of the other is 0.
        times_sigma: whether the loss takes its error times σ, without which it is infinite at the data.
    """

    definition: Definition
    parts: tuple[str, ...]
    times_sigma: bool

    def scale(self, state: PathState) -> Tensor:
        """Return the factor of its error in the loss."""
        return state.sigma if self.times_sigma else torch.ones_like(state.sigma)

    def determinant(self, state: PathState) -> Tensor:
        """Return α b − σ a of its scaled shares a and b: an error e in the noise is an error of that e/α in it."""
        data, noise = self.definition(state)
        return (state.alpha * noise - state.sigma * data) * self.scale(state)


MEMBERS: dict[str, Prediction] = {}
"""Every registered prediction by its name."""


def prediction(
    name: str, *, parts: tuple[str, ...] = ("data", "noise"), times_sigma: bool = False
) -> Callable[[Definition], Definition]:
    """Return a decorator that registers a prediction by its shares; a spec can name it if its table has the name.

    Args:
        name: the name.
        parts: which of "data" and "noise" it is made of; of one alone, its conversion is finite where the other's
            coefficient on the path is 0.
        times_sigma: whether the loss takes its error times σ.

    Raises:
        CollisionError: another prediction has the name.
    """

    def add(definition: Definition) -> Definition:
        add_member(MEMBERS, name, Prediction(definition, parts, times_sigma), "predictions")
        return definition

    return add


@prediction("velocity")
def velocity(state: PathState) -> Shares:
    """Return the shares of v = α̇ x* + σ̇ ε."""
    return Shares(state.dalpha, state.dsigma)


@prediction("score", parts=("noise",), times_sigma=True)
def score(state: PathState) -> Shares:
    """Return the shares of s = −ε/σ."""
    return Shares(torch.zeros_like(state.sigma), -1 / state.sigma)


@prediction("noise", parts=("noise",))
def noise(state: PathState) -> Shares:
    """Return the shares of ε."""
    return Shares(torch.zeros_like(state.sigma), torch.ones_like(state.sigma))


@prediction("data", parts=("data",))
def data(state: PathState) -> Shares:
    """Return the shares of x*."""
    return Shares(torch.ones_like(state.alpha), torch.zeros_like(state.alpha))


def to_part(source: str, part: str, state: PathState) -> Affine:
    """Return how "data" or "noise" follows from x and an output that means ``source``.

    Not finite where the output does not determine it (the data from the noise where α = 0);
    :mod:`zigbench.interpolant.cutoff` keeps evaluations away from there.
    """
    alpha, sigma = state.alpha, state.sigma
    a, b = MEMBERS[source].definition(state)
    if MEMBERS[source].parts == ("noise",):
        return Affine(1 / alpha, -sigma / (alpha * b)) if part == "data" else Affine(torch.zeros_like(b), 1 / b)
    if MEMBERS[source].parts == ("data",):
        return Affine(torch.zeros_like(a), 1 / a) if part == "data" else Affine(1 / sigma, -alpha / (sigma * a))
    determinant = alpha * b - sigma * a
    return (
        Affine(b / determinant, -sigma / determinant)
        if part == "data"
        else Affine(-a / determinant, alpha / determinant)
    )


def conversion(source: str, target: str, clamped: PathState, state: PathState) -> Affine:
    """Return how ``target`` follows from x and an output that means ``source``: data and noise first, then the target.

    Args:
        source, target: names of two predictions.
        clamped: the path where data and noise are taken from the output.
        state: the path where the target is put together from them; the same time unless that is next to an end.
    """
    of_x = of_output = torch.zeros_like(clamped.alpha)
    for part, share in zip(("data", "noise"), MEMBERS[target].definition(state), strict=True):
        if part in MEMBERS[target].parts:
            affine = to_part(source, part, clamped)
            of_x, of_output = of_x + share * affine.of_x, of_output + share * affine.of_output
    return Affine(of_x, of_output)
