"""The order of convergence of solvers, measured where the solution is known.

For one Gaussian N(μ, s² I) the perfect field is affine in x. The probability flow carries x at t to

    α' μ + √((α'² s² + σ'²)/(α² s² + σ²)) (x − α μ)    at t',

and a stochastic solver's result is affine in its start and in each of its draws, so mean and variance of its
samples are had exactly, from one pass over unit draws, without sampling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zigbench.interpolant.interpolant import Interpolant
from zigbench.sampling import grid
from zigbench.sampling.field import Field
from zigbench.sampling.guidance import Guidance
from zigbench.sampling.sampler import Counted, Sampler

from .gaussian_mixture import GaussianMixture

MEAN, SCALE = 0.7, 0.4


@dataclass(frozen=True)
class Point:
    """Error of one solver at one number of steps.

    Attributes:
        solver: its name.
        steps: steps taken.
        evaluations: network evaluations taken.
        error: of a deterministic solver, root mean square distance from the exact flow; of a stochastic one, the
            larger of the errors of mean and standard deviation.
    """

    solver: str
    steps: int
    evaluations: int
    error: float


def convergence(
    sampler: Sampler,
    interpolant: Interpolant,
    steps: Sequence[int],
    *,
    span: tuple[float, float] = (0.1, 0.9),
) -> tuple[Point, ...]:
    """Errors of ``sampler`` on a Gaussian between two inner times, where every coefficient is smooth.

    Args:
        sampler: the solver and its options; its number of steps and times are replaced. Not dopri5.
        interpolant: any path and prediction.
        steps: numbers of steps.
        span: first and last time; steps are equal in λ for DPM-Solver and in t for the others.
    """
    gaussian = GaussianMixture.single(torch.full((1, 1, 1), MEAN, dtype=torch.float64), SCALE)
    points = []
    for count in steps:
        network = Counted(gaussian.model(interpolant))
        times = _times(sampler, interpolant, count, span)
        fixed = replace(sampler, steps=count, times=tuple(times))
        field = Field(network, interpolant, Guidance(), torch.float64)
        error = (_moment_error if sampler.stochastic else _path_error)(fixed, field, times)
        points.append(Point(sampler.solver, count, network.evaluations, error))
    return tuple(points)


def order(points: Sequence[Point]) -> float:
    """Slope of log error against log steps by least squares, sign turned: 2 for a method of second order."""
    steps = torch.tensor([math.log(point.steps) for point in points], dtype=torch.float64)
    errors = torch.tensor([math.log(point.error) for point in points], dtype=torch.float64)
    steps = steps - steps.mean()
    return -float((steps * (errors - errors.mean())).sum() / steps.square().sum())


def _times(sampler: Sampler, interpolant: Interpolant, count: int, span: tuple[float, float]) -> list[float]:
    if sampler.solver.startswith("dpm-solver"):
        first, last = interpolant.path.log_snr(torch.tensor(span, dtype=torch.float64)).tolist()
        inner = interpolant.path.time(torch.linspace(first, last, count + 1, dtype=torch.float64)).tolist()
        return [span[0], *inner[1:-1], span[1]]
    return [span[0] + (span[1] - span[0]) * t for t in grid.uniform(count)]


def _marginal(field: Field, t: float) -> tuple[float, float]:
    """Mean and standard deviation of x_t."""
    state = field.state(t)
    alpha, sigma = float(state.alpha), float(state.sigma)
    return alpha * MEAN, math.hypot(alpha * SCALE, sigma)


def _path_error(sampler: Sampler, field: Field, times: list[float]) -> float:
    (mean, std), (mean_end, std_end) = _marginal(field, times[0]), _marginal(field, times[-1])
    units = torch.linspace(-2, 2, 9, dtype=torch.float64).reshape(-1, 1, 1, 1)
    with torch.no_grad():
        x = sampler.integrate(field, mean + std * units, times, None)
    return float((x - (mean_end + std_end * units)).square().mean().sqrt())


def _moment_error(sampler: Sampler, field: Field, times: list[float]) -> float:
    (mean, std), (mean_end, std_end) = _marginal(field, times[0]), _marginal(field, times[-1])
    # Row 0 follows the mean, row 1 is off by one standard deviation, row 2 + k by a unit in the k-th draw.
    start = torch.full((2 + len(times), 1, 1, 1), mean, dtype=torch.float64)
    start[1] += std
    drawn = 0

    def unit_draw(like: Tensor) -> Tensor:
        nonlocal drawn
        draw = torch.zeros_like(like)
        draw[2 + drawn] = 1.0
        drawn += 1
        return draw

    with torch.no_grad():
        x = sampler.integrate(field, start, times, unit_draw).flatten()
    spread = float((x[1:] - x[0]).square().sum().sqrt())
    return max(abs(float(x[0]) - mean_end), abs(spread - std_end))
