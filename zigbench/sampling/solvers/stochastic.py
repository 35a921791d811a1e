"""Stochastic solvers of dX = (v + ½ w s) dt + √w dW, and the last step.

Kloeden and Platen, "Numerical solution of stochastic differential equations" (1992), sections 10.2 and 15.1; for
noise that does not depend on the state, Heun's scheme has weak order 2. Last steps as in Ma et al., "SiT" (2024):
noise that the last step adds would never be removed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import sqrt

from torch import Tensor

from zigbench.sampling.diffusion import Diffusion
from zigbench.sampling.field import Field
from zigbench.sampling.random import Increments
from zigbench.sampling.solvers.base import SolverOptions, documented, solver

LAST_STEPS = ("none", "mean", "tweedie", "euler")
"""Last steps: one like the others; one without its noise; the expected datum; a step of the probability flow."""


Step = Callable[[Field, Diffusion, Tensor, float, float, Increments], Tensor]
"""A step maps field, diffusion, state, time, end of the step and source of noise to the state at the end."""


def stochastic(name: str) -> Callable[[Step], Step]:
    """Return a decorator that registers a step as a solver; its last interval is taken by the option ``last_step``."""

    def add(step: Step) -> Step:
        @solver(name)
        @documented(step)
        def solve(field: Field, x: Tensor, times: list[float], options: SolverOptions) -> Tensor:
            assert options.increments is not None
            noisy = times if options.last_step == "none" else times[:-1]
            for t, end in pairwise(noisy):
                x = step(field, options.diffusion, x, t, end, options.increments)
            if options.last_step == "none":
                return x
            return last_step(field, options.diffusion, x, times[-2], times[-1], options.last_step)

        return step

    return add


def last_step(field: Field, diffusion: Diffusion, x: Tensor, t: float, end: float, name: str) -> Tensor:
    """Step to the data without noise; ``name`` is one of :data:`LAST_STEPS` other than "none"."""
    if name == "tweedie":
        return field(x, t, "data")[0]
    if name == "euler":
        return x + (end - t) * field.velocity(x, t)
    return x + (end - t) * _drift(field, diffusion, x, t, end - t)[0]


@stochastic("euler-maruyama")
def euler_maruyama(
    field: Field, diffusion: Diffusion, x: Tensor, t: float, end: float, increments: Increments
) -> Tensor:
    """Return x + h f(x, t) + √(w h) ξ; weak order 1, one evaluation."""
    h = end - t
    drift, root = _drift(field, diffusion, x, t, h)
    return x + h * drift + root * sqrt(h) * increments(x)


@stochastic("stochastic-heun")
def stochastic_heun(
    field: Field, diffusion: Diffusion, x: Tensor, t: float, end: float, increments: Increments
) -> Tensor:
    """Step with the mean of drift and noise at both ends; weak order 2, two evaluations.

    Where the velocity is not defined at the end, the step is Euler–Maruyama's.
    """
    if not field.regular(end):
        return euler_maruyama(field, diffusion, x, t, end, increments)
    h = end - t
    step = sqrt(h) * increments(x)
    drift, root = _drift(field, diffusion, x, t, h)
    drift_end, root_end = _drift(field, diffusion, x + h * drift + root * step, end, h)
    return x + h / 2 * (drift + drift_end) + (root + root_end) / 2 * step


def _drift(field: Field, diffusion: Diffusion, x: Tensor, t: float, h: float) -> tuple[Tensor, float]:
    """Return v + ½ w s and √w; the score enters as −ε/σ with w/σ taken together, which is finite at σ = 0."""
    root, ratio = diffusion(field.interpolant, t, h)
    velocity, noise = field(x, t, "velocity", "noise")
    return velocity - 0.5 * ratio * noise, root
