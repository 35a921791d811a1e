"""The table of solvers: what planning, sampling, reporting and the documentation know of each, without torch.

The solver of a row is registered under the same name in a module of :mod:`zigbench.sampling.solvers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Solver:
    """A row of the table.

    Attributes:
        kind: of the equation it follows: the probability-flow ODE or the SDE, whose noise it draws.
        evaluations: network evaluations a step, without guidance; None for one that chooses its own steps.
        last_step_saves: so many fewer in the last step.
        times: the grid of times unless another is given.
        divides_by_alpha: whether its steps divide by α, so that it begins where α is above 0.
        options: keys of the sampler that have a meaning for it, beyond steps, guidance and times.
        corrections: steps of Langevin dynamics at each time, by default; 0 for a solver without.
        paths: names of the paths that it is defined on; none for all.
        objectives: names of the objectives whose networks it samples; none for a solver along the interpolant, which
            samples those of every objective without a solver of its own.
    """

    kind: Literal["ode", "sde"]
    evaluations: int | None = 1
    last_step_saves: int = 0
    times: Literal["uniform", "log-snr"] = "uniform"
    divides_by_alpha: bool = False
    options: tuple[str, ...] = ()
    corrections: int = 0
    paths: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()


NOISE = ("diffusion", "diffusion_scale", "last_step", "last_step_size")
TOLERANCES = ("rtol", "atol")
LANGEVIN = ("corrections", "langevin_rate")

SOLVERS: Mapping[str, Solver] = {
    "euler": Solver("ode"),
    "heun": Solver("ode", evaluations=2),
    "midpoint": Solver("ode", evaluations=2),
    "rk4": Solver("ode", evaluations=4),
    "dopri5": Solver("ode", evaluations=None, options=TOLERANCES),
    "ddim": Solver("ode", options=("eta",)),
    "dpm-solver-1": Solver("ode", times="log-snr", divides_by_alpha=True),
    "dpm-solver-2": Solver("ode", evaluations=2, last_step_saves=1, times="log-snr", divides_by_alpha=True),
    "dpm-solver++-1": Solver("ode", times="log-snr"),
    "dpm-solver++-2": Solver("ode", times="log-snr"),
    "euler-maruyama": Solver("sde", options=NOISE),
    "stochastic-heun": Solver("sde", evaluations=2, last_step_saves=1, options=NOISE),
    "ddpm": Solver("sde"),
    "predictor-corrector": Solver("sde", corrections=1, options=LANGEVIN),
    "annealed-langevin": Solver("sde", evaluations=0, corrections=100, paths=("ve",), options=LANGEVIN),
    "mean-flow": Solver("ode", objectives=("mean-flow",)),
    "consistency": Solver("sde", objectives=("consistency", "consistency-distillation")),
}
"""All solvers by name."""

OWNERS: Mapping[str, tuple[str, ...]] = {
    option: tuple(name for name, solver in SOLVERS.items() if option in solver.options)
    for option in (*NOISE, *TOLERANCES, *LANGEVIN, "eta")
}
"""The solvers that each option has a meaning for."""
