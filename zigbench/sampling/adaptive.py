"""Adaptive solution of the probability flow by Dormand and Prince's pair of orders 5 and 4, from torchdiffeq.

Dormand and Prince, "A family of embedded Runge-Kutta formulae" (1980). The step is chosen for the whole batch, so
a sample depends on its companions within the tolerance.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchdiffeq import odeint

from zigbench.sampling.ode import Flow


def integrate(flow: Flow, x: Tensor, times: list[float], rtol: float, atol: float) -> Tensor:
    """Follow the flow from the first to the last of ``times``; what lies between is the solver's choice.

    Args:
        rtol, atol: tolerated error of a step, relative to the state and absolute.
    """

    def slope(t: Tensor, state: Tensor) -> Tensor:
        return flow.velocity(state, float(t))

    ends = torch.tensor([times[0], times[-1]], dtype=torch.float64, device=x.device)
    return odeint(slope, x, ends, method="dopri5", rtol=rtol, atol=atol)[-1]
