"""Consistency models, trained from data or distilled from a teacher: the map to the end of the flow.

Song et al., "Consistency models" (2023); Geng et al., "Consistency models made easy" (2024), whose schedule and weights
are stated for noise of size t on data of size 1: here that is s = σ/α, at any path.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zigbench.objectives.base import Batch
from zigbench.objectives.teacher import Distillation

LEAST, GREATEST = 0.002, 80.0
"""The range of s that schedule and weights distinguish: EDM's range of noise levels."""


class Consistency(Distillation):
    """L = (1/s² + 1/std²) (√(‖f(x_t, t) − f(x_r, r)‖² + c²) − c), f(x_r, r) held fixed; Geng et al. (2024).

    f is the datum that the network's velocity stands for: x + (1 − t) v on the straight path. At t = 1 it is x itself,
    whatever the network says, as Song et al. (2023), equation 5, ask of their two coefficients.
    """

    def loss(
        self, model: nn.Module, part: Batch, *, network: nn.Module, average: nn.Module, step: int, steps: int
    ) -> Tensor:
        precision = torch.promote_types(part.x.dtype, torch.float32)
        t = part.t.double()
        ratio = self.ratio(t)
        later = torch.maximum(self.later(ratio, step), t)
        x = self.interpolant.interpolate(part.x, part.noise, t)
        devices = [part.x.device] if part.x.is_cuda else []
        # Both evaluations drop the same paths, so that they differ by the time alone.
        with torch.random.fork_rng(devices), torch.no_grad():
            target = self.end(network, self.ahead(x, t, later, part), later, part).to(precision)
        error = (self.end(model, x, t, part).to(precision) - target).square().flatten(1).sum(1)
        offset = self.config.huber * error.new_tensor(part.x[0].numel()).sqrt()
        weight = (ratio**-2 + self.config.data_std**-2).to(precision)
        return weight * ((error + offset**2).sqrt() - offset)

    def ratio(self, t: Tensor) -> Tensor:
        """Return s = σ/α at times (B,), within the range that is distinguished."""
        return (-self.interpolant.path.log_snr(t)).exp().clamp(LEAST, GREATEST)

    def later(self, ratio: Tensor, step: int) -> Tensor:
        """Return the second times r, nearer to the data, of noise s (B,) in a step of the training."""
        config = self.config
        closeness = config.base ** -(1.0 + step // config.doubling)
        shrunk = ratio * (1 - closeness * (1 + config.edge * torch.sigmoid(-config.decay * ratio))).clamp(min=0)
        return self.interpolant.path.time(-shrunk.log())

    def ahead(self, x: Tensor, t: Tensor, later: Tensor, part: Batch) -> Tensor:
        """Return the point at the second times (B,) that x at t (B,) is compared with: of the same data and noise."""
        return self.interpolant.interpolate(part.x, part.noise, later)

    def end(self, network: nn.Module, x: Tensor, t: Tensor, part: Batch) -> Tensor:
        """Return f(x, t), the end of the flow from x (B, …) at t (B,)."""
        return self.interpolant.data(self.output(network, x, t, part), x, t)


class ConsistencyDistillation(Consistency):
    """The same loss between neighbours on the teacher's flow: Song et al. (2023), algorithm 2, by Heun's step."""

    def later(self, ratio: Tensor, step: int) -> Tensor:
        """Return the second times r, one of ``points`` equal steps of log s nearer to the data; 1 after the last."""
        shrunk = ratio * (LEAST / GREATEST) ** (1 / self.config.points)
        return self.interpolant.path.time(-torch.where(shrunk < LEAST, 0, shrunk).log())

    def ahead(self, x: Tensor, t: Tensor, later: Tensor, part: Batch) -> Tensor:
        return self.heun(x, t, later, part)
