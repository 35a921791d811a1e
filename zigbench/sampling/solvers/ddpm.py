"""Ancestral sampling: each step draws from the posterior of the less noisy state given the expected datum.

Ho et al., "Denoising diffusion probabilistic models" (2020), equations 6 and 7, for any path with α/σ increasing:
with x at t, x' at t' > t, r = α/α' and ρ² = σ² − r² σ'²,

    x' | x, x* ~ N( (r σ'² x + α' ρ² x*) / σ²,  ρ² σ'² / σ² ).

It converges to samples of the data's distribution, with weak order 1.
"""

from __future__ import annotations

from itertools import pairwise
from math import sqrt

from torch import Tensor

from zigbench.sampling.field import Field
from zigbench.sampling.solvers.base import SolverOptions, solver


@solver("ddpm")
def ddpm(field: Field, x: Tensor, times: list[float], options: SolverOptions) -> Tensor:
    """Follow the chain through increasing ``times``; one evaluation a step."""
    assert options.increments is not None
    for t, end in pairwise(times):
        here, there = field.state(t), field.state(end)
        ratio = float(here.alpha / there.alpha)
        var, var_end = float(here.sigma) ** 2, float(there.sigma) ** 2
        fresh = max(var - ratio**2 * var_end, 0.0)
        data = field(x, t, "data")[0]
        mean = (ratio * var_end * x + float(there.alpha) * fresh * data) / var
        x = mean + sqrt(fresh * var_end / var) * options.increments(x) if var_end > 0 else mean
    return x
