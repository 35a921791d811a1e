"""Consistency training: the map to the end of the flow.

Song et al., "Consistency models" (2023); Geng et al., "Consistency models made easy" (2024), whose schedule and weights
are stated for noise of size t on data of size 1: here that is s = σ/α, at any path.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zigbench.interpolant.interpolant import prediction_of
from zigbench.objectives.base import Batch, Objective

LEAST, GREATEST = 0.002, 80.0
"""The range of s that schedule and weights distinguish: EDM's range of noise levels."""


class Consistency(Objective):
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
        devices = [part.x.device] if part.x.is_cuda else []
        # Both evaluations drop the same paths, so that they differ by the time alone.
        with torch.random.fork_rng(devices), torch.no_grad():
            target = self.end(network, part, later).to(precision)
        error = (self.end(model, part, t).to(precision) - target).square().flatten(1).sum(1)
        offset = self.config.huber * error.new_tensor(part.x[0].numel()).sqrt()
        weight = (ratio**-2 + self.config.data_std**-2).to(precision)
        return weight * ((error + offset**2).sqrt() - offset)

    def ratio(self, t: Tensor) -> Tensor:
        """Return s = σ/α at times (B,), within the range that is distinguished."""
        return (-self.interpolant.path.log_snr(t)).exp().clamp(LEAST, GREATEST)

    def later(self, ratio: Tensor, step: int) -> Tensor:
        """Return the second times r, nearer to the data, of noise s (B,) in a step of the training; section 3.2."""
        config = self.config
        closeness = config.base ** -(1.0 + step // config.doubling)
        shrunk = ratio * (1 - closeness * (1 + config.edge * torch.sigmoid(-config.decay * ratio))).clamp(min=0)
        return self.interpolant.path.time(-shrunk.log())

    def end(self, network: nn.Module, part: Batch, t: Tensor) -> Tensor:
        """Return f(x_t, t) of the batch's data and noise at t (B,)."""
        x = self.interpolant.interpolate(part.x, part.noise, t)
        times = t.to(torch.promote_types(x.dtype, torch.float32))
        output = prediction_of(network(x, times, label=part.label, context=part.context), x)
        return self.interpolant.data(output, x, t)
