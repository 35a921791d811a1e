"""Weights of the loss over time.

Every prediction's error is a multiple of the noise's error, so a weight stated for one holds for all: with
D = α σ̇ − σ α̇ and d = (α̇/α) σ² − σ σ̇ = −(σ/α) D, an error e in the noise is an error −(d/σ) e in the velocity,
and −(σ/α) e in the data. The two named weights are stated for the noise (and for σ × score), as in
Ma et al., "SiT" (2024), section 2, and are converted to the prediction:

    velocity    (d/σ)²   the loss becomes that of the velocity
    likelihood   d/σ²    a bound on the likelihood; Song et al., "Maximum likelihood training of score-based
                         diffusion models" (2021), equation 7

so ``velocity`` does not change the loss of a velocity prediction.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zigbench.interpolant.state import PathState

WEIGHTINGS = ("none", "velocity", "likelihood")
"""Names of the loss weights."""


def weight(weighting: str, prediction: str, state: PathState) -> Tensor:
    """Return the factor of the squared error of ``prediction``; the error of a score is first multiplied by σ.

    Not finite at an end where the weight diverges; :mod:`zigbench.interpolant.cutoff` keeps training off it.
    """
    if weighting == "none":
        return torch.ones_like(state.alpha)
    alpha, sigma, speed = state.alpha, state.sigma, -state.determinant
    if weighting == "velocity":
        return {
            "velocity": torch.ones_like(alpha),
            "score": (speed / alpha) ** 2,
            "noise": (speed / alpha) ** 2,
            "data": (speed / sigma) ** 2,
        }[prediction]
    return {
        "velocity": alpha / (sigma * speed),
        "score": speed / (alpha * sigma),
        "noise": speed / (alpha * sigma),
        "data": speed * alpha / sigma**3,
    }[prediction]
