"""Runge–Kutta methods with fixed steps for the probability flow dx/dt = v(x, t): euler, heun, midpoint, rk4.

Hairer, Nørsett and Wanner, "Solving ordinary differential equations I", section II.1. All converge to the exact flow,
with the order and the evaluations a step that its docstring states.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Protocol

from torch import Tensor

from zigbench.sampling.field import Field
from zigbench.sampling.solvers.base import SolverOptions, documented, solver
from zigbench.sampling.solvers.exponential import ddim


class Flow(Protocol):
    """An object with a velocity: a :class:`Field`, or one with its divergence."""

    def velocity(self, x: Tensor, t: float) -> Tensor:
        """Return dx/dt at (x, t), shaped like x."""
        ...


Step = Callable[[Flow, Tensor, float, float], Tensor]
"""A step maps the flow, the state, its time and the end of the step to the state at the end."""

STEPS: dict[str, Step] = {}


def runge_kutta(name: str) -> Callable[[Step], Step]:
    """Return a decorator that registers a step as a solver.

    Where the velocity is not defined at the end of the last step, that step is taken with one evaluation at its
    beginning, to the mixture of expected data and noise that belongs to the end.
    """

    def add(step: Step) -> Step:
        STEPS[name] = step

        @solver(name)
        @documented(step)
        def solve(field: Field, x: Tensor, times: list[float], options: SolverOptions) -> Tensor:
            # Euler's step never evaluates the velocity at its end.
            if name == "euler" or field.regular(times[-1]):
                return integrate(field, x, times, name)
            return ddim(field, integrate(field, x, times[:-1], name), times[-2:], options)

        return step

    return add


@runge_kutta("euler")
def euler(flow: Flow, x: Tensor, t: float, end: float) -> Tensor:
    """Return x + h v(x, t); order 1, one evaluation."""
    return x + (end - t) * flow.velocity(x, t)


@runge_kutta("heun")
def heun(flow: Flow, x: Tensor, t: float, end: float) -> Tensor:
    """Step with the mean of the slopes at both ends (explicit trapezoid); order 2, two evaluations."""
    h = end - t
    first = flow.velocity(x, t)
    second = flow.velocity(x + h * first, end)
    return x + h / 2 * (first + second)


@runge_kutta("midpoint")
def midpoint(flow: Flow, x: Tensor, t: float, end: float) -> Tensor:
    """Step with the slope at the middle; order 2, two evaluations."""
    h = end - t
    return x + h * flow.velocity(x + h / 2 * flow.velocity(x, t), t + h / 2)


@runge_kutta("rk4")
def rk4(flow: Flow, x: Tensor, t: float, end: float) -> Tensor:
    """Step with the classical method of Kutta; order 4, four evaluations."""
    h = end - t
    k1 = flow.velocity(x, t)
    k2 = flow.velocity(x + h / 2 * k1, t + h / 2)
    k3 = flow.velocity(x + h / 2 * k2, t + h / 2)
    k4 = flow.velocity(x + h * k3, end)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def integrate(flow: Flow, x: Tensor, times: list[float], name: str) -> Tensor:
    """Follow the flow through ``times``, in either direction, with the steps called ``name``."""
    for t, end in pairwise(times):
        x = STEPS[name](flow, x, t, end)
    return x
