"""The interpolant's own loss: the regression of its prediction."""

from __future__ import annotations

from torch import Tensor, nn

from zigbench.objectives.base import Batch, Objective


class InterpolantObjective(Objective):
    """L = w(t) ‖output − target‖²; see :meth:`zigbench.interpolant.Interpolant.loss`."""

    def loss(
        self, model: nn.Module, part: Batch, *, network: nn.Module, average: nn.Module, step: int, steps: int
    ) -> Tensor:
        return self.interpolant.loss(model, part.x, noise=part.noise, t=part.t, label=part.label, context=part.context)
