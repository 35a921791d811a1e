"""Progressive distillation: a student whose step is two of its teacher's."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from zigbench.objectives.base import Batch
from zigbench.objectives.teacher import Distillation, column


class ProgressiveDistillation(Distillation):
    """L = max(SNR, 1) ‖x̂ − x̃‖², where one step of DDIM with the datum x̃ ends where two of the teacher's do.

    Salimans and Ho, "Progressive distillation for fast sampling of diffusion models" (2022), algorithm 2, with the
    weight "truncated SNR" of section 4.
    """

    def times(self, t: Tensor, generator: Generator) -> tuple[Tensor, None]:
        steps = self.config.steps
        return (t * steps).floor().clamp(max=steps - 1) / steps, None

    def loss(
        self, model: nn.Module, part: Batch, *, network: nn.Module, average: nn.Module, step: int, steps: int
    ) -> Tensor:
        t = part.t.double()
        x = self.interpolant.interpolate(part.x, part.noise, t)
        precision = torch.promote_types(x.dtype, torch.float32)
        datum = self.interpolant.data(self.output(model, x, t, part), x, t).to(precision)
        error = (datum - self.target(x, t, part)).square().flatten(1).mean(1)
        state = self.interpolant.state(t)
        return (state.alpha / state.sigma).square().clamp(min=1).to(precision) * error

    def target(self, x: Tensor, t: Tensor, part: Batch) -> Tensor:
        """Return x̃ = (x'' − (σ''/σ) x) / (α'' − (σ''/σ) α) of the teacher's point x'' two half steps on."""
        # A float32 time of the grid is off by its rounding, which must not reach beyond 1.
        half, end = (t + 0.5 / self.config.steps).clamp(max=1), (t + 1 / self.config.steps).clamp(max=1)
        there = self.ddim(self.ddim(x, t, half, part), half, end, part)
        before, after = self.interpolant.state(t), self.interpolant.state(end)
        ratio = after.sigma / before.sigma
        return (there - column(ratio, x) * x) / column(after.alpha - ratio * before.alpha, x)
