"""Weights of the loss over time.

Every prediction's error is a multiple of the noise's error, so a weight stated for one holds for all. With shares a and
b of data and noise (:mod:`zigbench.interpolant.prediction`) and its determinant Δ = α b − σ a, an error e in the noise
is an error (Δ/α) e in the prediction: Δ is α for the noise, −σ for the data, −α for σ × score and D = α σ̇ − σ α̇ for
the velocity. The named weights are published for the noise, with d = (α̇/α) σ² − σ σ̇ = −(σ/α) D, as in Ma et al.,
"SiT" (2024), section 2, and are carried over to what is predicted by the factor (α/Δ)²:

    velocity    (d/σ)²   the loss becomes that of the velocity
    likelihood   d/σ²    a bound on the likelihood; Song et al., "Maximum likelihood training of score-based
                         diffusion models" (2021), equation 7

so ``velocity`` leaves a velocity's own loss as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from zigbench.interpolant import prediction as predictions
from zigbench.interpolant.state import PathState
from zigbench.spec.registry import add_member
from zigbench.spec.sections.interpolant import WEIGHTINGS

Weight = Callable[[PathState, Tensor], Tensor]
"""A map from a path's coefficients and a prediction's determinant Δ to the factor of its squared error."""

__all__ = ["MEMBERS", "WEIGHTINGS", "weight", "weighting"]

MEMBERS: dict[str, Weight] = {}
"""Every registered weighting by its name."""


def weighting(name: str) -> Callable[[Weight], Weight]:
    """Return a decorator that registers a weight; a spec can name it if its table of weightings has the name.

    Raises:
        CollisionError: another weighting has the name.
    """

    def add(function: Weight) -> Weight:
        add_member(MEMBERS, name, function, "weightings")
        return function

    return add


@weighting("none")
def none(state: PathState, determinant: Tensor) -> Tensor:
    """Return 1: the loss is that of what is predicted."""
    return torch.ones_like(state.alpha)


@weighting("velocity")
def velocity(state: PathState, determinant: Tensor) -> Tensor:
    """Return (D/Δ)², which is (d/σ)² (α/Δ)²."""
    return (state.determinant / determinant) ** 2


@weighting("likelihood")
def likelihood(state: PathState, determinant: Tensor) -> Tensor:
    """Return −D α/(σ Δ²), which is (d/σ²) (α/Δ)²."""
    return -state.determinant * state.alpha / (state.sigma * determinant**2)


def weight(weighting: str, prediction: str, state: PathState) -> Tensor:
    """Return the factor of the squared error of ``prediction``; the score's error is taken times σ.

    Not finite at an end where the weight diverges; :mod:`zigbench.interpolant.cutoff` keeps training off it.
    """
    if weighting == prediction:
        return torch.ones_like(state.alpha)  # Also where the path stands still, D = 0.
    return MEMBERS[weighting](state, predictions.MEMBERS[prediction].determinant(state))
