"""Samplers: a solver and its options, checked together before any computation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Generator, Tensor

from zigbench.interpolant.cutoff import SAMPLING, Cutoff, as_cutoff
from zigbench.interpolant.interpolant import Interpolant, Model
from zigbench.interpolant.options import choose
from zigbench.sampling import grid, solvers
from zigbench.sampling.classifier_guidance import Classifier, ClassifierGuidance
from zigbench.sampling.diffusion import Diffusion
from zigbench.sampling.field import Field
from zigbench.sampling.guidance import Guidance
from zigbench.sampling.random import Increments, increments
from zigbench.sampling.solvers.stochastic import LAST_STEPS
from zigbench.spec.solvers import LANGEVIN, OWNERS
from zigbench.spec.solvers import SOLVERS as TABLE

SOLVERS = tuple(name for name, row in TABLE.items() if not row.objectives and not row.corrections)
"""Names of the solvers along the interpolant; the table also has those of single objectives and of Langevin steps."""
ODE_SOLVERS = tuple(name for name in SOLVERS if TABLE[name].kind == "ode")
"""Names of the deterministic ones."""
SDE_SOLVERS = tuple(name for name in SOLVERS if TABLE[name].kind == "sde")
"""Names of the stochastic ones."""


@dataclass(frozen=True)
class Sampler:
    """A solver and its options. An option that the solver does not have must be None.

    For example, 20 steps of Heun's method with guidance::

        sampler = Sampler("heun", steps=20, guidance=1.5)
        images = sampler(model, interpolant, noise, label=label)

    Args:
        solver: one of :data:`zigbench.spec.solvers.SOLVERS`.
        steps: number of steps of the grid, at least 1; dopri5 chooses its own and ignores it.
        guidance: classifier-free guidance scale, at least 0; 1 is none.
        guidance_interval: first and last time of guiding.
        guidance_channels: number of leading channels that are guided; None for all.
        diffusion: one of :data:`DIFFUSIONS`, for Euler–Maruyama and stochastic Heun; None for "sigma".
        diffusion_scale: factor of the diffusion, above 0, for the same solvers; None for 1.
        last_step: one of :data:`LAST_STEPS`, how the same solvers take the last interval of the grid; None for "mean".
            All but "none" add no noise there, as there is none at the data.
        last_step_size: length of that interval, in (0, 1), for the same solvers and a uniform grid; the others are
            equal, and w(t) is not bounded for the length of a step, as in SiT's code. None for all equal.
        times: one of :data:`GRIDS`, or increasing times in [0, 1] in place of ``steps``; None for "log-snr" with
            DPM-Solver and "uniform" with the others.
        cutoff: amplitude ratios (α/σ at the noise, σ/α at the data), or one for both, at which times are clamped where
            a conversion of the network's output is not finite at an end; see :mod:`zigbench.interpolant.cutoff`.
        rtol, atol: relative and absolute tolerance of dopri5; None for 1e-3 and 1e-6.
        eta: noise of DDIM between none (0) and that of ancestral sampling (1); None for 0.
        corrections: steps of Langevin dynamics at each time, for the solvers that take some; None for their own number.
        langevin_rate: size of such a step over the variance of the noise, above 0; None for the solver's own.
        shift: factor of the noise over the data at each time of a uniform grid, above 0; None for 1.
        classifier_scale: scale of the gradient of a classifier, at least 0, which is added to the score in the interval
            and the channels of guidance; 0 is none. See :mod:`zigbench.sampling.classifier_guidance`.

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
    last_step_size: float | None = None
    times: str | Sequence[float] | None = None
    cutoff: float | Cutoff = SAMPLING
    rtol: float | None = None
    atol: float | None = None
    eta: float | None = None
    corrections: int | None = None
    langevin_rate: float | None = None
    shift: float | None = None
    classifier_scale: float = 0.0

    def __post_init__(self) -> None:
        choose("solver", self.solver, TABLE)
        check_steps(self.steps)
        object.__setattr__(self, "cutoff", as_cutoff(self.cutoff))
        for name, owners in OWNERS.items():
            value = getattr(self, name)
            if value is not None and self.solver not in owners:
                raise ValueError(
                    f"{name} {value!r} has no meaning for the solver {self.solver!r}; it belongs to {', '.join(owners)}"
                )
        choose("last step", self.last_step or "mean", dict.fromkeys(LAST_STEPS))
        if self.last_step_size is not None and not 0 < self.last_step_size < 1:
            raise ValueError(f"last_step_size is {self.last_step_size}; it must lie in (0, 1)")
        if self.last_step_size is not None and self.times not in (None, "uniform"):
            raise ValueError(f"last_step_size is a length of t, and has no meaning for the times {self.times!r}")
        if self.eta is not None and not 0 <= self.eta <= 1:
            raise ValueError(f"eta is {self.eta}; it must lie in [0, 1]: 0 adds no noise, 1 is ancestral sampling")
        uniform = TABLE[self.solver].times if self.times is None else self.times
        if self.shift is not None and (uniform != "uniform" or self.last_step_size is not None):
            raise ValueError(f"shift {self.shift} moves the times of a uniform grid, and has no meaning for another")
        for name in ("rtol", "atol", "langevin_rate", "shift", "corrections"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it must be above 0")
        if not self.classifier_scale >= 0:
            raise ValueError(f"classifier_scale is {self.classifier_scale}; it must be at least 0 (0 is none)")
        if self.classifier_scale and TABLE[self.solver].objectives:
            raise ValueError(f"classifier_scale has no meaning for the solver {self.solver!r}, which follows no score")
        if isinstance(self.times, str):
            choose("grid of times", self.times, dict.fromkeys(grid.GRIDS))
        elif self.times is not None:
            check_times(self.times)
            object.__setattr__(self, "times", tuple(self.times))
        # Built only for its checks.
        self._guidance()
        self._options(None)

    @property
    def stochastic(self) -> bool:
        """True if the solver draws noise, and so needs a generator or seeds."""
        return TABLE[self.solver].kind == "sde" or bool(self.eta)

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
        classifier: Classifier | None = None,
    ) -> Tensor:
        """Return samples from ``noise``; see :func:`zigbench.sampling.sample`."""
        if self.guidance != 1 and label is None and context is None:
            raise ValueError(f"guidance {self.guidance} without a label or a context: guidance needs a condition")
        if self.stochastic and generator is None:
            raise ValueError(
                f"the solver {self.solver!r} draws noise: give a generator, or a list of one seed per sample"
            )
        guided = self._by_classifier(interpolant, classifier, label)
        interpolant = interpolant.with_cutoff(self.cutoff)
        field = Field(model, interpolant, self._guidance(), noise.dtype, label, context, guided)
        times = self.grid(interpolant)
        x = noise.to(torch.promote_types(noise.dtype, torch.float32))
        x = interpolant.state(times[0]).sigma * x
        draws = None if generator is None else increments(generator, len(x))
        return self.integrate(field, x, times, draws).to(noise.dtype)

    def grid(self, interpolant: Interpolant) -> list[float]:
        """Return the times of this sampler's steps along ``interpolant``, from noise to data."""
        row = TABLE[self.solver]
        if self.last_step_size is not None:
            return grid.with_last_step(self.steps, self.last_step_size)
        if self.shift is not None:
            return grid.shifted(self.steps, self.shift)
        times = grid.resolve(interpolant, self.steps, row.times if self.times is None else self.times)
        return grid.leave_pure_noise(interpolant, times) if row.divides_by_alpha else times

    def integrate(self, field: Field, x: Tensor, times: list[float], draws: Increments | None) -> Tensor:
        """Integrate the state ``x`` from ``times[0]`` to ``times[-1]``.

        Args:
            field: the guided network.
            x: the state, (B, …), in float32 or float64.
            times: the ends of the steps, increasing.
            draws: the source of noise, which stochastic solvers need.
        """
        return solvers.SOLVERS[self.solver](field, x, times, self._options(draws))

    def _by_classifier(
        self, interpolant: Interpolant, classifier: Classifier | None, label: Tensor | None
    ) -> ClassifierGuidance | None:
        """Return the guidance by a classifier; None at scale 0, whether there is a classifier or not."""
        if not self.classifier_scale:
            return None
        given = f"classifier_scale {self.classifier_scale}"
        if classifier is None or label is None:
            raise ValueError(f"{given} without a {'classifier' if classifier is None else 'label'}: give one")
        if interpolant.coupling != "independent":
            raise ValueError(
                f"{given}: a velocity determines the score for independent noise, not {interpolant.coupling}"
            )
        return ClassifierGuidance(classifier, self.classifier_scale, label)

    def _guidance(self) -> Guidance:
        return Guidance(self.guidance, self.guidance_interval, self.guidance_channels)

    def _options(self, draws: Increments | None) -> solvers.SolverOptions:
        scale = 1.0 if self.diffusion_scale is None else self.diffusion_scale
        diffusion = Diffusion(self.diffusion or "sigma", scale, bounded=self.last_step_size is None)
        given = {name: getattr(self, name) for name in ("last_step", "rtol", "atol", "eta", *LANGEVIN)}
        return solvers.SolverOptions(draws, diffusion, **{k: v for k, v in given.items() if v is not None})


def sample(
    model: Model,
    interpolant: Interpolant,
    noise: Tensor,
    *,
    solver: str = "euler",
    steps: int = 50,
    label: Tensor | None = None,
    context: Tensor | None = None,
    guidance: float = 1.0,
    guidance_interval: tuple[float, float] = (0.0, 1.0),
    generator: Generator | Sequence[int] | None = None,
    classifier: Classifier | None = None,
    **options: Any,
) -> Tensor:
    """Transform ``noise`` (t = 0) into data (t = 1).

    For example, 20 images of class 3::

        seeds = range(20)
        noise = starting_noise(seeds, (1, 8, 8))
        images = sample(model, interpolant, noise, solver="heun", steps=10, label=torch.full((20,), 3))

    Args:
        model: the network, in evaluation mode; called with x in the precision of ``noise``.
        interpolant: the interpolant of its training.
        noise: standard normal, (B, C, H, W) or (B, T, C, H, W). The solver's own state is in float32 at least.
        solver, steps, guidance, guidance_interval, options: see :class:`Sampler`.
        label: (B,) classes, -1 for none.
        context: (B, tokens, width).
        generator: for stochastic solvers, one generator for the batch, or one seed per sample; with seeds a sample does
            not depend on the others.
        classifier: for ``classifier_scale`` above 0, the map from noisy samples (B, …) and times (B,) to the logits of
            their classes, (B, classes), differentiable.

    Returns:
        Samples shaped and typed like ``noise``. Wrap the model in :class:`Counted` to count its evaluations.

    Raises:
        ValueError: options that are not allowed together, before the network is called.
    """
    sampler = Sampler(solver=solver, steps=steps, guidance=guidance, guidance_interval=guidance_interval, **options)
    return sampler(model, interpolant, noise, label=label, context=context, generator=generator, classifier=classifier)


@dataclass
class Counted:
    """A network that counts its calls; each is one evaluation per sample, so guidance counts twice.

    For example, the evaluations of an adaptive solver::

        counted = Counted(model)
        sample(counted, interpolant, noise, solver="dopri5")
        counted.evaluations

    Attributes:
        model: the network.
        evaluations: number of calls so far.
    """

    model: Model
    evaluations: int = 0

    def __call__(self, x: Tensor, t: Tensor, **conditions: Tensor | None) -> Tensor:
        self.evaluations += 1
        return self.model(x, t, **conditions)


def network_evaluations(sampler: Sampler, interpolant: Interpolant) -> int:
    """Count the evaluations per sample that ``sampler`` takes, by running it on one number.

    Raises:
        ValueError: dopri5, whose count depends on the network.
    """
    if TABLE[sampler.solver].evaluations is None:
        raise ValueError(f"{sampler.solver} chooses its steps by the network; count them with Counted(model)")
    network = Counted(lambda x, t, **conditions: x)
    label = torch.zeros(1, dtype=torch.int64)
    sampler(network, interpolant, torch.zeros(1, 1, 1, 1), label=label, generator=[0])
    return network.evaluations


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
