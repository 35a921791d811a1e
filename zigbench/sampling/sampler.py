"""How samples are drawn: a solver and its options, checked together before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor

from zigbench.interpolant.cutoff import SAMPLING, Cutoff, as_cutoff
from zigbench.interpolant.interpolant import Interpolant, Model
from zigbench.interpolant.options import choose
from zigbench.sampling import adaptive, ancestral, grid, log_snr, ode, sde
from zigbench.sampling.diffusion import Diffusion
from zigbench.sampling.field import Field
from zigbench.sampling.guidance import Guidance
from zigbench.sampling.random import Increments, increments
from zigbench.spec import solvers

SOLVERS = tuple(solvers.SOLVERS)
"""All solvers."""
ODE_SOLVERS = tuple(name for name, solver in solvers.SOLVERS.items() if solver.kind == "ode")
"""Deterministic solvers."""
SDE_SOLVERS = tuple(name for name, solver in solvers.SOLVERS.items() if solver.kind == "sde")
"""Stochastic solvers."""


@dataclass(frozen=True)
class Sampler:
    """A solver and its options. One that has no meaning for the solver must be left at None.

    Args:
        solver: one of :data:`SOLVERS`.
        steps: steps of the grid, at least 1; dopri5 chooses its own and does not look at it.
        guidance: classifier-free guidance scale, at least 0; 1 is none.
        guidance_interval: (first, last) time of guiding.
        guidance_channels: guide only the first so many channels; None for all.
        diffusion: one of :data:`DIFFUSIONS` ("sigma" unless told), for Euler–Maruyama and stochastic Heun.
        diffusion_scale: factor of the diffusion (1 unless told), above 0.
        last_step: one of :data:`LAST_STEPS` ("mean" unless told), for the same two: how the last interval of the grid
            is taken; all but "none" leave out its noise, as at the data they should.
        times: one of :data:`GRIDS`, or increasing times in [0, 1] in place of ``steps``; unless told, "log-snr"
            for DPM-Solver and "uniform" for the others.
        cutoff: amplitude ratios (α/σ at the noise, σ/α at the data), or one for both, at which an end is held where a
            conversion of the network's output is not finite there; see :mod:`zigbench.interpolant.cutoff`.
        rtol, atol: tolerances of dopri5 (1e-3 and 1e-6 unless told).

    Raises:
        ValueError: an unknown name, a value out of range, or an option that the solver does not have.
    """

    solver: str = "euler"
    steps: int = 50
    guidance: float = 1.0
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    guidance_channels: int | None = None
    diffusion: str | None = None
    diffusion_scale: float | None = None
    last_step: str | None = None
    times: str | Sequence[float] | None = None
    cutoff: float | Cutoff = SAMPLING
    rtol: float | None = None
    atol: float | None = None

    def __post_init__(self) -> None:
        choose("solver", self.solver, dict.fromkeys(SOLVERS))
        check_steps(self.steps)
        self._guidance()
        object.__setattr__(self, "cutoff", as_cutoff(self.cutoff))
        self._check_options()
        self._diffusion()
        choose("last step", self._last_step(), dict.fromkeys(sde.LAST_STEPS))
        for name in ("rtol", "atol"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it must be above 0")
        if isinstance(self.times, str):
            choose("grid of times", self.times, dict.fromkeys(grid.GRIDS))
        elif self.times is not None:
            check_times(self.times)
            object.__setattr__(self, "times", tuple(self.times))

    @property
    def stochastic(self) -> bool:
        """Whether the solver draws noise, and so needs a generator or seeds."""
        return self.solver in SDE_SOLVERS

    @torch.no_grad()
    def __call__(
        self,
        model: Model,
        interpolant: Interpolant,
        noise: Tensor,
        *,
        label: Tensor | None = None,
        context: Tensor | None = None,
        generator: Generator | Sequence[int] | None = None,
    ) -> Tensor:
        """Samples from ``noise``; see :func:`zigbench.sampling.sample`."""
        if self.guidance != 1 and label is None and context is None:
            raise ValueError(f"guidance {self.guidance} without a label or a context: there is nothing to follow")
        if self.stochastic and generator is None:
            raise ValueError(
                f"the solver {self.solver!r} draws noise: give a generator, or a list of one seed per sample"
            )
        interpolant = interpolant.with_cutoff(self.cutoff)
        field = Field(model, interpolant, self._guidance(), noise.dtype, label, context)
        times = self.grid(interpolant)
        x = noise.to(torch.promote_types(noise.dtype, torch.float32))
        x = interpolant.state(times[0]).sigma * x
        draws = None if generator is None else increments(generator, len(x))
        return self.integrate(field, x, times, draws).to(noise.dtype)

    def grid(self, interpolant: Interpolant) -> list[float]:
        """The times of this sampler's steps along ``interpolant``, from noise to data."""
        usual = solvers.SOLVERS[self.solver].times
        times = grid.resolve(interpolant, self.steps, usual if self.times is None else self.times)
        if self.solver in ("dpm-solver-1", "dpm-solver-2"):
            times = grid.leave_pure_noise(interpolant, times)
        return times

    def integrate(self, field: Field, x: Tensor, times: list[float], draws: Increments | None) -> Tensor:
        """Carry the state ``x`` of ``times[0]`` to ``times[-1]``.

        Args:
            field: the guided network.
            x: (B, …), in float32 or float64.
            times: the ends of the steps, increasing.
            draws: source of noise; stochastic solvers need one.
        """
        if self.solver == "dopri5":
            rtol = 1e-3 if self.rtol is None else self.rtol
            atol = 1e-6 if self.atol is None else self.atol
            return adaptive.sample(field, x, times, rtol, atol)
        if self.solver in ode.STEPS:
            return ode.sample(field, x, times, self.solver)
        if self.solver in log_snr.SOLVERS:
            return log_snr.SOLVERS[self.solver](field, x, times)
        assert draws is not None
        if self.solver == "ddpm":
            return ancestral.ddpm(field, x, times, draws)
        return sde.integrate(field, x, times, self.solver, self._diffusion(), self._last_step(), draws)

    def _guidance(self) -> Guidance:
        return Guidance(self.guidance, self.guidance_interval, self.guidance_channels)

    def _diffusion(self) -> Diffusion:
        scale = 1.0 if self.diffusion_scale is None else self.diffusion_scale
        return Diffusion(self.diffusion or "sigma", scale)

    def _last_step(self) -> str:
        return self.last_step or "mean"

    def _check_options(self) -> None:
        """Check that no option is given that the solver does not have."""
        for name, owners in solvers.OWNERS.items():
            value = getattr(self, name)
            if value is not None and self.solver not in owners:
                raise ValueError(
                    f"{name} {value!r} has no meaning for the solver {self.solver!r}; it belongs to {', '.join(owners)}"
                )


def check_steps(steps: int) -> None:
    """Check that there is a whole number of steps, at least one.

    Raises:
        ValueError: there is not.
    """
    if steps != int(steps) or steps < 1:
        raise ValueError(f"steps is {steps}; it must be a whole number, at least 1")


def check_times(times: Sequence[float]) -> None:
    """Check that times increase within [0, 1].

    Raises:
        ValueError: they do not, or there are fewer than two.
    """
    if len(times) < 2:
        raise ValueError(f"times {list(times)} must hold at least a first and a last one")
    inside = times[0] >= 0 and times[-1] <= 1
    if not inside or any(a >= b for a, b in pairwise(times)):
        raise ValueError(f"times {list(times)} must increase strictly, from at least 0 (noise) to at most 1 (data)")
