"""Stochastic solvers of dX = (v + ½ w s) dt + √w dW, and the last step.

Kloeden and Platen, "Numerical solution of stochastic differential equations" (1992), sections 10.2 and 15.1; for
noise that does not depend on the state, Heun's scheme has weak order 2. Last steps as in Ma et al., "SiT" (2024):
noise added by the very last step is never taken away again.
"""

from __future__ import annotations

from itertools import pairwise
from math import sqrt

from torch import Tensor

from zigbench.interpolant.options import choose
from zigbench.sampling.diffusion import Diffusion
from zigbench.sampling.field import Field
from zigbench.sampling.random import Increments

LAST_STEPS = ("none", "mean", "tweedie", "euler")
"""Last steps: one like the others; without its noise; the expected datum; a step of the probability flow."""


def _drift(field: Field, diffusion: Diffusion, x: Tensor, t: float, h: float) -> tuple[Tensor, float]:
    """v + ½ w s and √w; the score enters as −ε/σ with w/σ taken together, which is finite at σ = 0."""
    root, ratio = diffusion(field.interpolant, t, h)
    velocity, noise = field(x, t, "velocity", "noise")
    return velocity - 0.5 * ratio * noise, root


def euler_maruyama(
    field: Field, diffusion: Diffusion, x: Tensor, t: float, end: float, increments: Increments
) -> Tensor:
    """x + h f(x, t) + √(w h) ξ; weak order 1, one evaluation."""
    h = end - t
    drift, root = _drift(field, diffusion, x, t, h)
    return x + h * drift + root * sqrt(h) * increments(x)


def stochastic_heun(
    field: Field, diffusion: Diffusion, x: Tensor, t: float, end: float, increments: Increments
) -> Tensor:
    """Mean of drift and noise at both ends of the step; weak order 2, two evaluations.

    A step at whose end the velocity can't be had is Euler–Maruyama's.
    """
    if not field.regular(end):
        return euler_maruyama(field, diffusion, x, t, end, increments)
    h = end - t
    step = sqrt(h) * increments(x)
    drift, root = _drift(field, diffusion, x, t, h)
    drift_end, root_end = _drift(field, diffusion, x + h * drift + root * step, end, h)
    return x + h / 2 * (drift + drift_end) + (root + root_end) / 2 * step


STEPS = {"euler-maruyama": euler_maruyama, "stochastic-heun": stochastic_heun}


def last_step(field: Field, diffusion: Diffusion, x: Tensor, t: float, end: float, name: str) -> Tensor:
    """The step to the data without noise; ``name`` is one of :data:`LAST_STEPS` but "none"."""
    if name == "tweedie":
        return field(x, t, "data")[0]
    if name == "euler":
        return x + (end - t) * field.velocity(x, t)
    return x + (end - t) * _drift(field, diffusion, x, t, end - t)[0]


def integrate(
    field: Field,
    x: Tensor,
    times: list[float],
    solver: str,
    diffusion: Diffusion,
    last: str,
    increments: Increments,
) -> Tensor:
    """Follow the process through increasing ``times``; the last interval is taken by ``last``."""
    step = choose("stochastic solver", solver, STEPS)
    stochastic = times if last == "none" else times[:-1]
    for t, end in pairwise(stochastic):
        x = step(field, diffusion, x, t, end, increments)
    return x if last == "none" else last_step(field, diffusion, x, times[-2], times[-1], last)
