"""Adaptive solution of the probability flow by Dormand and Prince's pair of orders 5 and 4, from torchdiffeq.

Dormand and Prince, "A family of embedded Runge-Kutta formulae" (1980). The step is chosen for the whole batch, so a
sample depends on the others within the tolerance.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchdiffeq import odeint

from zigbench.sampling.field import Field
from zigbench.sampling.solvers.base import SolverOptions, solver
from zigbench.sampling.solvers.exponential import ddim
from zigbench.sampling.solvers.runge_kutta import Flow

MAX_EVALUATIONS = 10_000
"""Network evaluations after which a solution is given up; tolerances of 1e-8 take a few hundred on a smooth field."""


def integrate(flow: Flow, x: Tensor, times: list[float], rtol: float, atol: float) -> Tensor:
    """Integrate the flow from the first to the last of ``times``; the solver chooses the steps in between.

    Args:
        flow: the flow.
        x: the state at ``times[0]``, (B, …).
        times: first and last time; any others are not used.
        rtol, atol: tolerated error of a step, relative to the state and absolute.

    Raises:
        FloatingPointError: the velocity is not finite, or takes more than :data:`MAX_EVALUATIONS`; no step would be
            small enough.
    """
    evaluations = 0
    low, high = sorted((times[0], times[-1]))
    advice = f"the velocity is too rough for rtol {rtol:g} and atol {atol:g}; raise them, or take fixed steps"

    def slope(t: Tensor, state: Tensor) -> Tensor:
        nonlocal evaluations
        evaluations += 1
        if evaluations > MAX_EVALUATIONS:
            raise FloatingPointError(
                f"dopri5 is at t = {float(t):.6g} after {MAX_EVALUATIONS:,} network evaluations: {advice}"
            )
        # The trial step by which the solver chooses its first one may reach beyond the interval.
        velocity = flow.velocity(state, min(max(float(t), low), high))
        if not bool(velocity.isfinite().all()):
            raise FloatingPointError(f"the velocity at t = {float(t):.6g} is not finite: dopri5 cannot continue")
        return velocity

    ends = torch.tensor([times[0], times[-1]], dtype=torch.float64, device=x.device)
    # Without this the solver steps past the end and interpolates back, which is far less exact.
    options = {"step_t": ends[1:]}
    try:
        states: Tensor = odeint(slope, x, ends, method="dopri5", rtol=rtol, atol=atol, options=options)
    except AssertionError as error:  # Of torchdiffeq, where a step no longer moves the time.
        raise FloatingPointError(f"dopri5 finds no step small enough ({error}): {advice}") from None
    return states[-1]


@solver("dopri5")
def dopri5(field: Field, x: Tensor, times: list[float], options: SolverOptions) -> Tensor:
    """Follow the flow from noise to data with adaptive steps of order 5.

    Where the velocity is not defined at the end, the solver goes to the last time at which it is, and from there to the
    end in one step as a fixed-step solver does.
    """
    if field.regular(times[-1]):
        return integrate(field, x, times, options.rtol, options.atol)
    last = field.last_regular()
    if last > times[0]:
        x = integrate(field, x, [times[0], last], options.rtol, options.atol)
    return ddim(field, x, [max(last, times[0]), times[-1]], options)
