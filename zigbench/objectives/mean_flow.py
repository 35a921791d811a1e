"""MeanFlow: the mean velocity of intervals; Geng et al., "Mean flows for one-step generative modeling" (2025)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from zigbench.backbone import NO_LABEL
from zigbench.interpolant.interpolant import prediction_of
from zigbench.objectives.base import Batch, Objective, velocity_of
from zigbench.objectives.tangent import total_derivative


class MeanFlow(Objective):
    """L = ‖u(x, t, r) − (v + (r − t) du/dt)‖², the target held fixed, over intervals from t to r ≥ t.

    Here the data are at time 1, so the flow runs forwards in t; the source's are at 0, hence its other signs. Both
    ends are drawn from the interpolant's times and put in order; the other samples have r = t, where u is the velocity.
    """

    def times(self, t: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        other = self.interpolant.time.draw(len(t), self.interpolant.path, generator).to(t)
        long = torch.rand(len(t), generator=generator, device=generator.device).to(t.device) < self.config.intervals
        first, last = torch.minimum(t, other), torch.maximum(t, other)
        return torch.where(long, first, t), torch.where(long, last, t)

    def loss(
        self, model: nn.Module, part: Batch, *, network: nn.Module, average: nn.Module, step: int, steps: int
    ) -> Tensor:
        assert part.end is not None
        precision = torch.promote_types(part.x.dtype, torch.float32)
        t, end = part.t.to(precision), part.end.to(precision)
        x = self.interpolant.interpolate(part.x, part.noise, part.t)
        velocity = self._guided(network, x, t, part)
        target = velocity.to(precision, copy=True)
        # Where the interval is a moment, the derivative has no weight. One sample at least, so that processes that
        # share a network all call it.
        rows = (
            (end > t).nonzero()[:, 0] if bool((end > t).any()) else torch.zeros(1, dtype=torch.int64, device=t.device)
        )
        chosen = {
            "label": None if part.label is None else part.label[rows],
            "context": None if part.context is None else part.context[rows],
        }
        derivative = total_derivative(network, x[rows], t[rows], velocity[rows], end=end[rows], **chosen)
        length = (end - t)[rows].reshape(-1, *[1] * (x.dim() - 1))
        target[rows] += length * derivative.to(precision)
        output = prediction_of(model(x, t, end=end, label=part.label, context=part.context), x).to(precision)
        error = (output - target).square().flatten(1).sum(1)
        return error / (error.detach() + self.config.offset) ** self.config.power

    @torch.no_grad()
    def _guided(self, network: nn.Module, x: Tensor, t: Tensor, part: Batch) -> Tensor:
        """Return ω v + κ u(x, t, t | c) + (1 − ω − κ) u(x, t, t); v itself for a sample without its condition."""
        velocity = velocity_of(self.interpolant.state(part.t), part.x, part.noise)
        scale, mixing = self.config.guidance, self.config.mixing
        if scale == 1 and mixing == 0:
            return velocity
        label = None if part.label is None else torch.full_like(part.label, NO_LABEL)
        free = prediction_of(network(x, t, end=t, label=label, context=None), x).to(x.dtype)
        guided = scale * velocity + (1 - scale - mixing) * free
        if mixing:
            own = network(x, t, end=t, label=part.label, context=part.context)
            guided = guided + mixing * prediction_of(own, x).to(x.dtype)
        dropped = torch.ones(len(x), dtype=torch.bool, device=x.device)
        if part.label is not None:
            dropped &= part.label == NO_LABEL
        if part.context is not None:
            dropped &= (part.context == 0).flatten(1).all(1)
        return torch.where(dropped.reshape(-1, *[1] * (x.dim() - 1)), velocity, guided)
