"""The sampler of a run: solver, steps, guidance and the options of a solver."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from zigbench.spec.base import Above, OneOf, Positive, Spec, Unit, later_key
from zigbench.spec.solvers import OWNERS, SOLVERS


class SamplerSpec(Spec):
    """The way samples are drawn: solver, steps, guidance; see :class:`zigbench.sampling.Sampler`.

    Args:
        solver: of the probability-flow ODE or the SDE; dopri5 chooses its own steps.
        steps: steps of the fixed grid.
        guidance: classifier-free guidance scale; 1 is none.
        guidance_interval: (first, last) time of guiding.
        guidance_channels: guide only the first so many channels, as DiT and SiT did; None for all.
        diffusion: form of w(t), for Euler–Maruyama and stochastic Heun.
        diffusion_scale: factor of w(t), for the same.
        last_step: how the last interval is taken, for the same.
        last_step_size: length of the last interval of t, for the same; the others are equal, and w(t) is then not
            bounded for the length of a step, as in SiT's code. None for all equal.
        times: the grid of times, where it is not the solver's own.
        rtol, atol: tolerances of dopri5.
        eta: noise of ddim between none (0) and that of ancestral sampling (1).
        corrections: steps of Langevin dynamics at each time, for predictor-corrector and annealed-langevin.
        langevin_rate: size of such a step over the variance of the noise, for the same.
        classifier_scale: scale of the gradient of a classifier of noisy images, which is added to the score (Dhariwal &
            Nichol 2021); 0 is none. With ``guidance`` 0 it guides the network without labels, otherwise the one with
            them; in the interval and the channels of ``guidance``.
        shift: factor by which the noise over the data is larger at each time of a uniform grid, as for larger images
            (SD3 takes 3); trained with logit-normal times, the same is ``interpolant.mean`` less by its logarithm.
    """

    solver: Annotated[str, OneOf(SOLVERS)] = "euler"
    steps: Positive = 50
    guidance: Annotated[float, Field(ge=0.0)] = 1.0
    guidance_interval: tuple[Unit, Unit] | None = None
    guidance_channels: Positive | None = None
    diffusion: (
        Literal["constant", "sbdm", "sigma", "linear", "decreasing", "increasing-decreasing"] | None
    ) = None  # fmt: skip
    diffusion_scale: Above | None = None
    last_step: Literal["none", "mean", "tweedie", "euler"] | None = None
    last_step_size: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    times: Literal["uniform", "log-snr"] | None = None
    rtol: Above | None = None
    atol: Above | None = None
    eta: Unit | None = later_key(None)
    corrections: Positive | None = later_key(None)
    langevin_rate: Above | None = later_key(None)
    shift: Above | None = later_key(None)
    classifier_scale: Annotated[float, Field(ge=0.0)] = later_key(0.0)

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        for name, solvers in OWNERS.items():
            if getattr(self, name) is not None and self.solver not in solvers:
                raise ValueError(f"{name} has no meaning for solver {self.solver!r}; it is for {', '.join(solvers)}")
        if self.last_step_size is not None and self.times == "log-snr":
            raise ValueError("last_step_size is a length of t, and has no meaning for times 'log-snr'")
        if self.classifier_scale and SOLVERS[self.solver].objectives:
            raise ValueError(f"classifier_scale has no meaning for solver {self.solver!r}, which follows no score")
        uniform = self.times or SOLVERS[self.solver].times
        if self.shift is not None and (uniform != "uniform" or self.last_step_size is not None):
            raise ValueError("shift moves the times of a uniform grid, and has no meaning for another")
        return self

    @field_validator("guidance_interval")
    @classmethod
    def _in_order(cls, interval: tuple[float, float] | None) -> tuple[float, float] | None:
        if interval is not None and interval[0] > interval[1]:
            raise ValueError("its first time lies after its last")
        return interval

    @property
    def options(self) -> dict[str, Any]:
        """The settings beyond solver, steps and guidance, as JSON values."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"solver", "steps", "guidance"})

    @property
    def network_evaluations(self) -> int | None:
        """Network evaluations of one sample, guidance counted twice; None where the spec does not fix the number."""
        solver = SOLVERS[self.solver]
        if solver.evaluations is None or self.guidance_interval not in (None, (0.0, 1.0)):
            return None
        each = solver.evaluations + (self.corrections or solver.corrections)
        return (each * self.steps - solver.last_step_saves) * (1 if self.guidance == 1 else 2)
