"""Adaptive solution of the probability flow by Dormand and Prince's pair of orders 5 and 4, from torchdiffeq.

Dormand and Prince, "A family of embedded Runge-Kutta formulae" (1980). The step is chosen for the whole batch, so
a sample depends on its companions within the tolerance.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchdiffeq import odeint

from zigbench.sampling.field import Field
from zigbench.sampling.log_snr import ddim
from zigbench.sampling.ode import Flow


def integrate(flow: Flow, x: Tensor, times: list[float], rtol: float, atol: float) -> Tensor:
    """Follow the flow from the first to the last of ``times``; what lies between is the solver's choice.

    Args:
        rtol, atol: tolerated error of a step, relative to the state and absolute.

    Raises:
        FloatingPointError: the velocity is not finite; no step would be small enough.
    """

    def slope(t: Tensor, state: Tensor) -> Tensor:
        velocity = flow.velocity(state, float(t))
        if not bool(velocity.isfinite().all()):
            raise FloatingPointError(f"the velocity at t = {float(t):.6g} is not finite: dopri5 cannot go on")
        return velocity

    ends = torch.tensor([times[0], times[-1]], dtype=torch.float64, device=x.device)
    # Left to itself the solver steps past the end and interpolates back, far less exactly than it steps.
    options = {"step_t": ends[1:]}
    states: Tensor = odeint(slope, x, ends, method="dopri5", rtol=rtol, atol=atol, options=options)
    return states[-1]


def sample(field: Field, x: Tensor, times: list[float], rtol: float, atol: float) -> Tensor:
    """Follow the flow from noise to data; the last bit as in :func:`zigbench.sampling.ode.sample`.

    Where the velocity can't be had at the end, the solver goes to the last time at which it can.
    """
    if field.regular(times[-1]):
        return integrate(field, x, times, rtol, atol)
    last = field.last_regular()
    if last > times[0]:
        x = integrate(field, x, [times[0], last], rtol, atol)
    return ddim(field, x, [max(last, times[0]), times[-1]])
