"""Fixed-step solvers of the probability flow dx/dt = v(x, t).

Hairer, Nørsett and Wanner, "Solving ordinary differential equations I", section II.1. Each step takes the flow,
the state, the time and the end of the step.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Protocol

from torch import Tensor

from zigbench.sampling.field import Field
from zigbench.sampling.log_snr import ddim


class Flow(Protocol):
    """Anything that has a velocity: a :class:`Field`, or one carried along with its divergence."""

    def velocity(self, x: Tensor, t: float) -> Tensor: ...


Step = Callable[[Flow, Tensor, float, float], Tensor]


def euler(flow: Flow, x: Tensor, t: float, end: float) -> Tensor:
    """x + h v(x, t); order 1, one evaluation."""
    return x + (end - t) * flow.velocity(x, t)


def heun(flow: Flow, x: Tensor, t: float, end: float) -> Tensor:
    """Mean of the slopes at both ends (explicit trapezoid); order 2, two evaluations."""
    h = end - t
    first = flow.velocity(x, t)
    second = flow.velocity(x + h * first, end)
    return x + h / 2 * (first + second)


def midpoint(flow: Flow, x: Tensor, t: float, end: float) -> Tensor:
    """Slope at the middle; order 2, two evaluations."""
    h = end - t
    return x + h * flow.velocity(x + h / 2 * flow.velocity(x, t), t + h / 2)


def rk4(flow: Flow, x: Tensor, t: float, end: float) -> Tensor:
    """The classical method of Kutta; order 4, four evaluations."""
    h = end - t
    k1 = flow.velocity(x, t)
    k2 = flow.velocity(x + h / 2 * k1, t + h / 2)
    k3 = flow.velocity(x + h / 2 * k2, t + h / 2)
    k4 = flow.velocity(x + h * k3, end)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


STEPS: dict[str, Step] = {"euler": euler, "heun": heun, "midpoint": midpoint, "rk4": rk4}


def integrate(flow: Flow, x: Tensor, times: list[float], solver: str) -> Tensor:
    """Follow the flow through ``times``, in either direction."""
    for t, end in pairwise(times):
        x = STEPS[solver](flow, x, t, end)
    return x


def sample(field: Field, x: Tensor, times: list[float], solver: str) -> Tensor:
    """Follow the flow from noise to data.

    A last step at whose end the velocity can't be had is taken in one evaluation at its beginning, to the mixture of
    expected data and noise that belongs to the end; Euler's step never looks at its end and stays as it is.
    """
    if solver == "euler" or field.regular(times[-1]):
        return integrate(field, x, times, solver)
    return ddim(field, integrate(field, x, times[:-1], solver), times[-2:])
