"""The field that a solver evaluates: the guided network, at one time for the whole batch, in the wanted quantity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zigbench.interpolant.cutoff import conversion_range, definition_range
from zigbench.interpolant.interpolant import Interpolant, Model, prediction_of
from zigbench.interpolant.state import PathState
from zigbench.sampling.classifier_guidance import ClassifierGuidance
from zigbench.sampling.guidance import Guidance


@dataclass(frozen=True)
class Field:
    """Velocity, noise and data as functions of (x, t), t a float.

    The solver's state is kept in float32 or float64; the network is given ``dtype``. Where the network's output does
    not determine the wanted quantity, the field is clamped at the nearest time at which it does.

    Args:
        model: the network.
        interpolant: the meaning of its output.
        guidance: how conditional and unconditional outputs are combined.
        dtype: type of the network's input.
        label: (B,) or None.
        context: (B, tokens, width) or None.
        classifier: what is added to the score; None for nothing.
    """

    model: Model
    interpolant: Interpolant
    guidance: Guidance
    dtype: torch.dtype
    label: Tensor | None = None
    context: Tensor | None = None
    classifier: ClassifierGuidance | None = None

    def __call__(self, x: Tensor, t: float, *targets: str) -> tuple[Tensor, ...]:
        """Return the ``targets`` ("velocity", "noise", "data", "score") at (x, t), from one output of the network."""
        clamped = float(self.interpolant.clamp(torch.tensor(t, dtype=torch.float64), *targets))
        output = self._output(x, t, clamped)
        values = tuple(self.interpolant.convert(target, output, x, t, clamped=clamped) for target in targets)
        if self.classifier is None or not self.guidance.inside(t):
            return values
        shifts = self.classifier.shifts(self.interpolant, x, t, targets)
        return tuple(value + self.guidance.restrict(shift) for value, shift in zip(values, shifts, strict=True))

    def velocity(self, x: Tensor, t: float) -> Tensor:
        """Return the drift of the probability flow."""
        return self(x, t, "velocity")[0]

    def mean_velocity(self, x: Tensor, t: float, end: float) -> Tensor:
        """Return the mean drift of the probability flow from t to ``end``, which a network of intervals predicts."""
        return self._output(x, t, t, end=torch.full((len(x),), end, device=x.device, dtype=self._precision))

    def last_regular(self) -> float:
        """Return the last time at which the velocity follows from the network's output with bounded factors.

        Beyond it an error of the network is multiplied without bound, so a solver should not evaluate there.
        """
        path, cutoff = self.interpolant.path, self.interpolant.cutoff
        _, from_output = conversion_range(path, cutoff, self.interpolant.prediction, ("velocity",))
        _, by_itself = definition_range(path, cutoff, "velocity")
        return min(from_output, by_itself)

    def regular(self, t: float) -> bool:
        """Return whether ``t`` is at most :meth:`last_regular`."""
        return t <= self.last_regular()

    def state(self, t: float) -> PathState:
        """Return the coefficients of the path at ``t``, as scalars."""
        return self.interpolant.state(t)

    @property
    def _precision(self) -> torch.dtype:
        return torch.promote_types(self.dtype, torch.float32)

    def _output(self, x: Tensor, requested: float, t: float, **interval: Tensor) -> Tensor:
        given = x.to(self.dtype)
        times = torch.full((len(x),), t, device=x.device, dtype=self._precision)

        def evaluate(label: Tensor | None, context: Tensor | None) -> Tensor:
            output = self.model(given, times, label=label, context=context, **interval)
            return prediction_of(output, given).to(x.dtype)

        return self.guidance.combine(evaluate, requested, self.label, self.context)
