"""The grids of times of fixed-step solvers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from zigbench.interpolant.cutoff import finite_range
from zigbench.interpolant.interpolant import Interpolant

GRIDS = ("uniform", "log-snr")
"""Named grids: equal steps in t, or in λ = log(α/σ)."""

GREATEST = math.log(100)
"""Greatest |λ| of a finite step: about where the schedule of DDPM ends, with α = 0.0064 and σ = 0.01."""


def uniform(steps: int) -> list[float]:
    """Return 0, 1/n, …, 1."""
    return [k / steps for k in range(steps + 1)]


def with_last_step(steps: int, size: float) -> list[float]:
    """Return equal steps from 0 to 1 − ``size``, and one of ``size`` from there to 1; ``steps`` in all."""
    return [*torch.linspace(0, 1 - size, steps, dtype=torch.float64).tolist(), 1.0]


def shifted(steps: int, factor: float) -> list[float]:
    """Return a uniform grid, the noise over the data ``factor`` times as large at each of its times on the line.

    Esser et al., "Scaling rectified flow transformers" (2024), equation 23, with noise at 0: of the share of noise
    s = 1 − t it makes ``factor`` s / (1 + (``factor`` − 1) s).
    """
    return [1 - factor * (1 - t) / (1 + (factor - 1) * (1 - t)) for t in uniform(steps)]


def log_snr(interpolant: Interpolant, steps: int) -> list[float]:
    """Return equal steps in λ.

    Where an end has an infinite λ, the grid begins at a ratio of 0.01, or comes to 100 one step before the end, and
    goes from there to t = 1 at once, as in Karras et al. (2022), equation 5. Lu et al., "DPM-Solver" (2022),
    section 4.3, stop at the last finite λ.
    """
    path = interpolant.path
    first, last = path.log_snr(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()
    begin = first if math.isfinite(first) else -GREATEST
    if math.isfinite(last):
        inner = torch.linspace(begin, last, steps + 1, dtype=torch.float64)[:-1]
    else:
        inner = torch.linspace(begin, GREATEST, steps, dtype=torch.float64)
    return [*path.time(inner).tolist(), 1.0]


def resolve(interpolant: Interpolant, steps: int, times: str | Sequence[float]) -> list[float]:
    """Return the times of a named grid of ``steps`` steps, or the given times."""
    if not isinstance(times, str):
        return [float(t) for t in times]
    return uniform(steps) if times == "uniform" else log_snr(interpolant, steps)


def leave_pure_noise(interpolant: Interpolant, times: list[float]) -> list[float]:
    """Return the times, clamped to where α is above 0: the noise form of DPM-Solver divides by it."""
    least, _ = finite_range(interpolant.path, interpolant.cutoff, lambda state: (1 / state.alpha,))
    return [max(t, least) for t in times]
