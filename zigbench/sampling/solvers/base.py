"""The interface of a solver, and the table that the modules of this package register theirs in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from zigbench.sampling.diffusion import Diffusion
from zigbench.sampling.field import Field
from zigbench.sampling.random import Increments
from zigbench.spec.registry import add_member
from zigbench.spec.solvers import SOLVERS as TABLE


@dataclass(frozen=True)
class SolverOptions:
    """The options of a solve; each solver reads its own.

    Attributes:
        increments: the source of noise of stochastic solvers; None if none was given.
        diffusion: the diffusion form of the SDE.
        last_step: the name of the last step of the SDE, one of :data:`zigbench.sampling.LAST_STEPS`.
        rtol, atol: relative and absolute tolerance of adaptive solvers.
        eta: noise of DDIM, from 0 to 1.
        corrections: steps of Langevin dynamics at each time; None for the solver's own number.
        langevin_rate: size of such a step over the variance of the noise; None for the solver's own.
    """

    increments: Increments | None = None
    diffusion: Diffusion = field(default_factory=Diffusion)
    last_step: str = "mean"
    rtol: float = 1e-3
    atol: float = 1e-6
    eta: float = 0.0
    corrections: int | None = None
    langevin_rate: float | None = None


Solver = Callable[[Field, Tensor, list[float], SolverOptions], Tensor]
"""A solver carries the state x (B, …) of the first of increasing times in [0, 1] to the last of them."""

SOLVERS: dict[str, Solver] = {}
"""Every solver by its name in :data:`zigbench.spec.solvers.SOLVERS`."""


def documented(step: Callable[..., Tensor]) -> Callable[[Solver], Solver]:
    """Return a decorator that gives a solver the docstring of the step that it repeats."""

    def add(function: Solver) -> Solver:
        function.__doc__ = step.__doc__
        return function

    return add


def solver(name: str) -> Callable[[Solver], Solver]:
    """Return a decorator that registers a solver.

    For example, in a module of this package, with a row ``"euler-again": Solver("ode")`` in the torch-free table::

        @solver("euler-again")
        def euler_again(field, x, times, options):
            for t, end in pairwise(times):
                x = x + (end - t) * field.velocity(x, t)
            return x

    Args:
        name: a name of :data:`zigbench.spec.solvers.SOLVERS`, where planning reads kind, options and evaluations.

    Raises:
        ValueError: the table has no such row.
        CollisionError: another solver has the name.
    """
    if name not in TABLE:
        raise ValueError(f"the solver {name!r} has no row in zigbench.spec.solvers.SOLVERS; add one")

    def add(function: Solver) -> Solver:
        add_member(SOLVERS, name, function, "solvers")
        return function

    return add
