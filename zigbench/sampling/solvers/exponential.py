"""Exponential integrators of the probability flow: its linear part is solved exactly, in steps of λ = log(α/σ).

Lu et al., "DPM-Solver" (2022), equations 4.1 and algorithm 1 (noise form); "DPM-Solver++" (2022), equations 9 and
algorithm 2 (data form, two-step); Song et al., "Denoising diffusion implicit models" (2021), equation 12 with η = 0.
A step that reaches or leaves an infinite λ (no noise, or nothing but noise) is of first order, which is exact there.

With h the step in λ, σ' eʰ = α' σ/α and α' e⁻ʰ = σ' α/σ: written so, first-order steps to σ' = 0 are finite.
"""

from __future__ import annotations

from itertools import pairwise
from math import inf, isfinite, log

import torch
from torch import Tensor

from zigbench.sampling.field import Field
from zigbench.sampling.solvers.base import SolverOptions, solver


def _ratio(field: Field, t: float) -> tuple[float, float, float]:
    """Return α, σ and λ at ``t``."""
    state = field.state(t)
    alpha, sigma = float(state.alpha), float(state.sigma)
    if sigma == 0:
        return alpha, sigma, inf
    return alpha, sigma, log(alpha / sigma) if alpha > 0 else -inf


def _from_noise(field: Field, x: Tensor, noise: Tensor, t: float, end: float) -> Tensor:
    """Return (α'/α) x − σ'(eʰ − 1) ε; α above 0."""
    alpha, sigma, _ = _ratio(field, t)
    alpha_end, sigma_end, _ = _ratio(field, end)
    return alpha_end / alpha * x - (alpha_end * sigma / alpha - sigma_end) * noise


def _from_data(field: Field, x: Tensor, data: Tensor, t: float, end: float) -> Tensor:
    """Return (σ'/σ) x + α'(1 − e⁻ʰ) x*; σ above 0."""
    alpha, sigma, _ = _ratio(field, t)
    alpha_end, sigma_end, _ = _ratio(field, end)
    return sigma_end / sigma * x + (alpha_end - sigma_end * alpha / sigma) * data


@solver("ddim")
def ddim(field: Field, x: Tensor, times: list[float], options: SolverOptions) -> Tensor:
    """Step to α' x* + σ' ε, x* expected at the beginning of the step and ε the rest of x; order 1, one evaluation.

    With η above 0, a part η σ' √(1 − (α σ'/(α' σ))²) of the noise is drawn anew, and the step is ancestral at 1: Song
    et al., "Denoising diffusion implicit models" (2021), equations 12 and 16.
    """
    for t, end in pairwise(times):
        data = field(x, t, "data")[0]
        here, there = field.state(t), field.state(end)
        noise = (x - here.alpha * data) / here.sigma
        if options.eta == 0 or there.sigma == 0:
            x = there.alpha * data + there.sigma * noise
            continue
        assert options.increments is not None
        share = options.eta**2 * max(1 - float(here.alpha * there.sigma / (there.alpha * here.sigma)) ** 2, 0.0)
        sigma = float(there.sigma)
        x = there.alpha * data + sigma * ((1 - share) ** 0.5 * noise + share**0.5 * options.increments(x))
    return x


@solver("dpm-solver-1")
def dpm_solver_1(field: Field, x: Tensor, times: list[float], options: SolverOptions) -> Tensor:
    """Step with the noise constant over the step; order 1, one evaluation."""
    for t, end in pairwise(times):
        x = _from_noise(field, x, field(x, t, "noise")[0], t, end)
    return x


@solver("dpm-solver-2")
def dpm_solver_2(field: Field, x: Tensor, times: list[float], options: SolverOptions) -> Tensor:
    """Step with the noise at the middle of the step in λ; order 2, two evaluations (one where λ is infinite)."""
    for t, end in pairwise(times):
        noise = field(x, t, "noise")[0]
        middle = _middle(field, t, end)
        if middle is not None:
            inside = _from_noise(field, x, noise, t, middle)
            noise = field(inside, middle, "noise")[0]
        x = _from_noise(field, x, noise, t, end)
    return x


def _middle(field: Field, t: float, end: float) -> float | None:
    """Return the time in the middle of a step in λ; None if the step is infinite."""
    first, last = _ratio(field, t)[2], _ratio(field, end)[2]
    if not (isfinite(first) and isfinite(last)):
        return None
    middle = torch.tensor((first + last) / 2, dtype=torch.float64)
    return float(field.interpolant.path.time(middle))


@solver("dpm-solver++-1")
def dpm_solver_pp_1(field: Field, x: Tensor, times: list[float], options: SolverOptions) -> Tensor:
    """Step with the data constant over the step; order 1, one evaluation."""
    for t, end in pairwise(times):
        x = _from_data(field, x, field(x, t, "data")[0], t, end)
    return x


@solver("dpm-solver++-2")
def dpm_solver_pp_2(field: Field, x: Tensor, times: list[float], options: SolverOptions) -> Tensor:
    """Step with the data extrapolated from this step and the one before; order 2, one evaluation."""
    before: tuple[Tensor, float] | None = None  # Data one step back, and the length of that step in λ.
    for t, end in pairwise(times):
        data = field(x, t, "data")[0]
        h = _ratio(field, end)[2] - _ratio(field, t)[2]
        used = data
        if before is not None and isfinite(h) and isfinite(before[1]):
            used = data + h / (2 * before[1]) * (data - before[0])
        x = _from_data(field, x, used, t, end)
        before = data, h
    return x
