"""Steps along the probability flow of a teacher, for objectives that follow one."""

from __future__ import annotations

import torch
from torch import Tensor

from zigbench.interpolant.interpolant import Model, prediction_of
from zigbench.objectives.base import Batch, Objective


class Distillation(Objective):
    """The base of objectives that follow a teacher.

    Attributes:
        teacher: the trained network, in evaluation mode; its output means what the interpolant says.
    """

    @property
    def guide(self) -> Model:
        """The teacher, which the run gives every objective that needs one."""
        assert self.teacher is not None
        return self.teacher

    def output(self, network: Model, x: Tensor, t: Tensor, part: Batch) -> Tensor:
        """Return the network's prediction at x (B, …) and t (B,) under the batch's conditions."""
        times = t.to(torch.promote_types(x.dtype, torch.float32))
        return prediction_of(network(x, times, label=part.label, context=part.context), x).to(x.dtype)

    @torch.no_grad()
    def heun(self, x: Tensor, t: Tensor, end: Tensor, part: Batch) -> Tensor:
        """Step along the teacher's flow from t (B,) to ``end`` (B,) with the mean of the slopes at both ends."""
        h = column(end - t, x)
        first = self.interpolant.velocity(self.output(self.guide, x, t, part), x, t)
        ahead = x + h * first
        second = self.interpolant.velocity(self.output(self.guide, ahead, end, part), ahead, end)
        return x + h / 2 * (first + second)

    @torch.no_grad()
    def ddim(self, x: Tensor, t: Tensor, end: Tensor, part: Batch) -> Tensor:
        """Step the teacher by DDIM from t (B,) to ``end`` (B,), to the mixture of expected data and noise there."""
        output = self.output(self.guide, x, t, part)
        there = self.interpolant.state(end)
        data, noise = self.interpolant.data(output, x, t), self.interpolant.noise(output, x, t)
        return column(there.alpha, x) * data + column(there.sigma, x) * noise


def column(value: Tensor, x: Tensor) -> Tensor:
    """Return a number for each sample, (B,), shaped to multiply x (B, …)."""
    return value.to(x).reshape(-1, *[1] * (x.dim() - 1))
