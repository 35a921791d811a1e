"""The diffusion of a stochastic sampler, the noise that it adds and removes: w(t) of dX = (v + ½ w s) dt + √w dW.

No w ≥ 0 changes the distribution at any t; w = 0 is the probability flow. Ma et al., "SiT" (2024),
section 2.4 and its code. Written for t = 1 at the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from zigbench.interpolant.interpolant import Interpolant
from zigbench.interpolant.options import choose
from zigbench.interpolant.state import PathState

FORMS: dict[str, Callable[[float, PathState], float]] = {
    "constant": lambda t, state: 1.0,
    "sbdm": lambda t, state: float(state.drift_variance),
    "sigma": lambda t, state: float(state.sigma),
    "linear": lambda t, state: 1 - t,
    "decreasing": lambda t, state: 0.25 * (math.cos(math.pi * t) + 1) ** 2,
    "increasing-decreasing": lambda t, state: math.sin(math.pi * t) ** 2,
}

DIFFUSIONS = tuple(FORMS)
"""Names of the diffusion forms."""


@dataclass(frozen=True)
class Diffusion:
    """w(t) = scale × form(t), bounded for the length of the step.

    The noise that a step takes away is ½ w h s = −½ (w h/σ) ε: where w h is above σ², a step would remove more noise
    than there is, so the form is clamped at σ²/h. That is a diffusion like any other, so samples keep their
    distribution; it tends to the form as h → 0, and makes every form finite at both ends (σ = 0; SBDM at α = 0).

    Args:
        form: one of :data:`DIFFUSIONS`.
        scale: factor above 0. SBDM is d = (α̇/α) σ² − σ σ̇; with scale 2 it is the process of Song et al.
        bounded: whether the form is clamped at σ²/h. SiT's code does not; a form that is infinite is always clamped.
    """

    form: str = "sigma"
    scale: float = 1.0
    bounded: bool = True

    def __post_init__(self) -> None:
        choose("diffusion form", self.form, FORMS)
        if not 0 < self.scale < math.inf:
            raise ValueError(f"diffusion scale is {self.scale}; it must be above 0 (an ODE solver adds no noise)")

    def __call__(self, interpolant: Interpolant, t: float, h: float) -> tuple[float, float]:
        """Return √w and w/σ at ``t`` for a step of length ``h``; both finite, and 0 where σ = 0."""
        state = interpolant.state(t)
        sigma = float(state.sigma)
        if sigma == 0:
            return 0.0, 0.0
        w = self.scale * FORMS[self.form](t, state)
        # SBDM is not a number where α and α̇ are both 0; it grows without bound before.
        if self.bounded or not math.isfinite(w):
            w = min(w, sigma**2 / h) if math.isfinite(w) else sigma**2 / h
        w = max(w, 0.0)
        return math.sqrt(w), w / sigma
