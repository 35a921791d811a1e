"""Reflow: straight lines between noise and the samples that a teacher makes of it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from zigbench.objectives.base import Batch
from zigbench.objectives.teacher import Distillation


class Reflow(Distillation):
    """The interpolant's loss, the data replaced by the end of the teacher's flow from the same noise.

    Liu et al., "Flow straight and fast" (2022), algorithm 1, with pairs drawn anew in every step.
    """

    def loss(
        self, model: nn.Module, part: Batch, *, network: nn.Module, average: nn.Module, step: int, steps: int
    ) -> Tensor:
        x = part.noise
        times = torch.linspace(0, 1, self.config.steps + 1, dtype=torch.float64, device=x.device)
        for t, end in pairwise(times):
            x = self.heun(x, t.expand(len(x)), end.expand(len(x)), part)
        return self.interpolant.loss(model, x, noise=part.noise, t=part.t, label=part.label, context=part.context)
