"""Langevin dynamics at a time: as a corrector of each step, or alone at one noise level after another."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt

from torch import Tensor

from zigbench.sampling.field import Field
from zigbench.sampling.random import Increments
from zigbench.sampling.solvers.base import SolverOptions, solver
from zigbench.sampling.solvers.ddpm import ddpm
from zigbench.spec.solvers import SOLVERS

ANNEALED, CORRECTOR = 0.2, 2 * 0.16**2
"""Step sizes over σ²: ε/σ_L² of Song and Ermon (2019), 2e-5/0.01²; and 2 r² of Song et al. (2021), r = 0.16."""


def langevin(field: Field, x: Tensor, t: float, rate: float, steps: int, increments: Increments) -> Tensor:
    """Return x after ``steps`` of x + (δ/2) s + √δ z with δ = ``rate`` σ², which keep the law at t as δ goes to 0.

    The score enters as −ε/σ. Where there is no noise, x stays.
    """
    sigma = float(field.state(t).sigma)
    for _ in range(steps if sigma > 0 else 0):
        x = x + sigma * (sqrt(rate) * increments(x) - rate / 2 * field(x, t, "noise")[0])
    return x


@solver("predictor-corrector")
def predictor_corrector(field: Field, x: Tensor, times: list[float], options: SolverOptions) -> Tensor:
    """Correct at each time by Langevin steps, then take an ancestral step to the next.

    Song et al., "Score-based generative modeling through stochastic differential equations" (2021), algorithm 1 with
    the corrector first, so that the last step adds no noise. Their step size follows the norm of each score; for a
    score of the norm of its noise it is this one.
    """
    assert options.increments is not None
    steps = options.corrections or SOLVERS["predictor-corrector"].corrections
    for t, end in pairwise(times):
        x = langevin(field, x, t, options.langevin_rate or CORRECTOR, steps, options.increments)
        x = ddpm(field, x, [t, end], options)
    return x


@solver("annealed-langevin")
def annealed_langevin(field: Field, x: Tensor, times: list[float], options: SolverOptions) -> Tensor:
    """Run Langevin dynamics at each time after the first, of less and less noise.

    Song and Ermon, "Generative modeling by estimating gradients of the data distribution" (2019), algorithm 1, for a
    path on which noise is added to data that stay as they are.

    Raises:
        ValueError: the share of the data changes along the path, or no noise is left at its end.
    """
    assert options.increments is not None
    steps = options.corrections or SOLVERS["annealed-langevin"].corrections
    first, last = field.state(times[0]), field.state(times[-1])
    if first.alpha != last.alpha or last.sigma == 0:
        raise ValueError("the solver 'annealed-langevin' needs noise that is added to the data: take the path 've'")
    for t in times[1:]:
        x = langevin(field, x, t, options.langevin_rate or ANNEALED, steps, options.increments)
    return x
