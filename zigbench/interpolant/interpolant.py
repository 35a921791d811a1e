"""The interpolant: a path, the prediction along it, and its training loss."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Generator, Tensor

from zigbench.interpolant import coupling as couplings
from zigbench.interpolant import path as paths
from zigbench.interpolant import prediction as predictions
from zigbench.interpolant import time_sampling
from zigbench.interpolant import weighting as weightings
from zigbench.interpolant.cutoff import TRAINING, Cutoff, as_cutoff, conversion_range, definition_range, training_range
from zigbench.interpolant.options import choose, take, unknown
from zigbench.interpolant.path import Path
from zigbench.interpolant.prediction import conversion
from zigbench.interpolant.state import PathState
from zigbench.interpolant.time_sampling import TimeSampler
from zigbench.interpolant.weighting import weight

ROUNDING = 1e-6
"""Distance beyond [0, 1] at which a time still is an end, rounded."""

Model = Callable[..., Tensor]
"""``model(x, t, *, label=None, context=None)`` with t (B,) in [0, 1]; see the backbone protocol."""

Weighting = str | Callable[[Tensor], Tensor]


@dataclass(frozen=True, init=False)
class Interpolant:
    """x_t = α_t x* + σ_t ε from noise (t = 0) to data (t = 1), and the meaning of a network's output along it.

    Args:
        path: one of :data:`PATHS`, or an instance of :class:`Path`.
        prediction: one of :data:`PREDICTIONS`.
        weighting: one of :data:`WEIGHTINGS`, or a function from times (B,) to factors (B,) of the squared error.
        time: one of :data:`TIMES`, the distribution of training times.
        coupling: one of :data:`COUPLINGS`, the pairing of noise and data.
        cutoff: amplitude ratio, or a pair of them, at which an end is clamped in training and conversions where a
            quantity is not finite there; see :mod:`zigbench.interpolant.cutoff`. Samplers have their own.
        options: the path's own (``degree``; ``beta_min``, ``beta_max``; ``sigma_min``, ``sigma_max``;
            ``offset``) and the time distribution's own (``mean``, ``std``; ``skew``; ``points``). One that is
            None has the member's default.

    Raises:
        ValueError: an unknown name, an option that the chosen members do not have, or a value out of range.
    """

    path: Path
    prediction: str
    weighting: Weighting
    time: TimeSampler
    coupling: str
    cutoff: Cutoff

    def __init__(
        self,
        path: str | Path = "linear",
        prediction: str = "velocity",
        weighting: Weighting = "none",
        time: str = "uniform",
        coupling: str = "independent",
        *,
        cutoff: float | Cutoff = TRAINING,
        **options: Any,
    ) -> None:
        time_type = choose("time distribution", time, time_sampling.MEMBERS)
        time_options = take(options, [field.name for field in fields(time_type)])
        if isinstance(path, str):
            path_type = choose("path", path, paths.MEMBERS)
            names = [field.name for field in fields(path_type)]
            path = path_type(**take(options, names))
        else:
            names = []
        left = [name for name, value in options.items() if value is not None]
        if left:
            allowed = [*names, *(field.name for field in fields(time_type))]
            raise unknown(f"option of path {type(path).__name__} with time {time!r}:", left[0], allowed)
        if isinstance(weighting, str):
            choose("weighting", weighting, weightings.MEMBERS)
        choose("coupling", coupling, couplings.MEMBERS)
        choose("prediction", prediction, predictions.MEMBERS)
        parts = (path, prediction, weighting, time_type(**time_options), coupling, as_cutoff(cutoff))
        for field, part in zip(fields(self), parts, strict=True):
            object.__setattr__(self, field.name, part)

    @property
    def facts(self) -> dict[str, str]:
        """The description of its parts, for checkpoints that are trained with it; a function by its name."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: getattr(part, "__qualname__", type(part).__qualname__) if callable(part) else str(part)
            for name, part in parts.items()
        }

    def with_cutoff(self, cutoff: float | Cutoff) -> Interpolant:
        """Return the same interpolant with another cut-off."""
        other = copy(self)
        object.__setattr__(other, "cutoff", as_cutoff(cutoff))
        return other

    def state(self, t: Tensor | float) -> PathState:
        """Return the coefficients of the path at ``t`` in [0, 1], in float64, shaped like t.

        Raises:
            ValueError: a time outside [0, 1].
        """
        t = torch.as_tensor(t, dtype=torch.float64)
        _check_times(t)
        return self.path.state(t)

    def clamp(self, t: Tensor, *targets: str) -> Tensor:
        """Return the times, clamped to where the network's output is defined and can be converted to ``targets``.

        Evaluate the network at the clamped time too: its output and the coefficients then belong together.
        """
        return t.clamp(*conversion_range(self.path, self.cutoff, self.prediction, targets))

    def velocity(self, model_output: Tensor, x: Tensor, t: Tensor | float) -> Tensor:
        """Return v = α̇ x* + σ̇ ε, the drift of the probability flow, from the network's output.

        Args:
            model_output: the network's output at (x, t), shaped like x.
            x: (B, …).
            t: (B,) or one time for all; in [0, 1].

        Raises:
            ValueError: a time outside [0, 1].
        """
        return self.convert("velocity", model_output, x, t)

    def score(self, model_output: Tensor, x: Tensor, t: Tensor | float) -> Tensor:
        """Return s = ∇ log p_t(x) = −ε/σ; arguments as :meth:`velocity`."""
        return self.convert("score", model_output, x, t)

    def noise(self, model_output: Tensor, x: Tensor, t: Tensor | float) -> Tensor:
        """Return ε, the expected noise; arguments as :meth:`velocity`."""
        return self.convert("noise", model_output, x, t)

    def data(self, model_output: Tensor, x: Tensor, t: Tensor | float) -> Tensor:
        """Return x*, the expected datum; arguments as :meth:`velocity`."""
        return self.convert("data", model_output, x, t)

    def convert(
        self,
        target: str,
        model_output: Tensor,
        x: Tensor,
        t: Tensor | float,
        *,
        clamped: Tensor | float | None = None,
    ) -> Tensor:
        """Return ``target``, one of :data:`PREDICTIONS`, from the network's output; arguments as :meth:`velocity`.

        Args:
            clamped: time at which the network was evaluated in place of t, from :meth:`clamp`; by default t.
        """
        output = model_output.to(x.dtype)
        t = torch.as_tensor(t, dtype=torch.float64)
        _check_times(t)
        clamped_t = t if clamped is None else torch.as_tensor(clamped, dtype=torch.float64)
        if target == self.prediction and (clamped is None or bool((clamped_t == t).all())):
            return output
        state = self.path.state(t.clamp(*definition_range(self.path, self.cutoff, target)))
        of_x, of_output = conversion(self.prediction, target, self.path.state(self.clamp(clamped_t, target)), state)
        return spread(of_x, x) * x + spread(of_output, x) * output

    def draw(self, data: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return noise shaped like ``data`` (B, …), already coupled to it, and times (B,) in float32.

        The numbers come from ``generator`` alone, on its device, and are moved to the device of the data.
        """
        noise = torch.randn(data.shape, generator=generator, device=generator.device).to(data)
        t = self.time.draw(len(data), self.path, generator)
        return couplings.MEMBERS[self.coupling](data, noise), t.float().to(data.device)

    def interpolate(self, data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Return x_t = α_t x* + σ_t ε of data and noise (B, …) at t (B,)."""
        return _mix(self.state(t), data, noise)

    def loss(
        self,
        model: Model,
        data: Tensor,
        *,
        noise: Tensor,
        t: Tensor,
        label: Tensor | None = None,
        context: Tensor | None = None,
    ) -> Tensor:
        """Return the weighted mean squared error of each sample, (B,), in float32 (float64 for such data).

        L = w(t) ‖output − target‖² per element; for the score w(t) ‖σ s + ε‖². Times at which target or weight
        is not finite are clamped to the cut-off.

        Args:
            model: the network.
            data: x*, (B, …).
            noise, t: from :meth:`draw`.
            label, context: arguments of the network.

        Raises:
            ValueError: the network's output is not shaped like the data (twice the channels are allowed, of
                which the first half is trained here).
        """
        name = self.weighting if isinstance(self.weighting, str) else "none"
        t = t.double().clamp(*training_range(self.path, self.cutoff, self.prediction, name))
        state = self.state(t)
        x = _mix(state, data, noise)
        precision = torch.promote_types(data.dtype, torch.float32)
        output = prediction_of(model(x, t.to(precision), label=label, context=context), x).to(precision)
        error = self._error(output, data, noise, state).square().flatten(1).mean(1)
        if callable(self.weighting):
            return error * self.weighting(t.to(precision)).to(precision)
        if self.weighting == "none":
            return error
        return error * weight(self.weighting, self.prediction, state).to(precision)

    def _error(self, output: Tensor, data: Tensor, noise: Tensor, state: PathState) -> Tensor:
        """Return output − target, times σ for the score."""
        member = predictions.MEMBERS[self.prediction]
        scale = member.scale(state)
        error = spread(scale, output) * output
        for part, value, share in zip(("data", "noise"), (data, noise), member.definition(state), strict=True):
            if part in member.parts:
                error = error - spread(scale * share, output) * value
        return error


def _mix(state: PathState, data: Tensor, noise: Tensor) -> Tensor:
    """Return α x* + σ ε."""
    return spread(state.alpha, data) * data + spread(state.sigma, data) * noise


def spread(coefficient: Tensor, x: Tensor) -> Tensor:
    """Return a coefficient, () or (B,), shaped to multiply x (B, …) in the precision of x."""
    if not coefficient.dim():
        return coefficient  # A scalar combines with any precision and device; it needs no copy.
    return coefficient.to(x.device, x.dtype).reshape(-1, *[1] * (x.dim() - 1))


def prediction_of(output: Tensor, x: Tensor) -> Tensor:
    """Return the prediction in a network's output: the whole output, or the first half of doubled channels.

    Args:
        output: (B, C, H, W) or (B, T, C, H, W), or with 2C channels where the variance is learned as well.
        x: the network's input.

    Raises:
        ValueError: any other shape.
    """
    if output.shape == x.shape:
        return output
    doubled = list(x.shape)
    if x.dim() > 3:
        doubled[-3] *= 2
    if list(output.shape) != doubled:
        raise ValueError(
            f"the network returned {tuple(output.shape)} for x {tuple(x.shape)}; "
            f"it must return that shape or, with learned variance, {tuple(doubled)}"
        )
    return output.narrow(-3, 0, x.shape[-3])


def _check_times(t: Tensor) -> None:
    """Raise ValueError for a time outside [0, 1]; a solver's rounding is allowed."""
    # Reading values would stall a GPU and break a compiled graph.
    if t.device.type != "cpu" or torch.compiler.is_compiling() or t.numel() == 0:
        return
    low, high = (float(end) for end in t.detach().aminmax())
    if low < -ROUNDING or high > 1 + ROUNDING:
        wrong = low if low < -ROUNDING else high
        raise ValueError(f"time {wrong:g} is outside [0, 1]; t = 0 is noise and t = 1 is data")
