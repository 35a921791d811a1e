"""One optimizer step: forward and backward over the parts of a batch, clip, update."""

from __future__ import annotations

import contextlib
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zigbench.interpolant import Interpolant
from zigbench.spec import OptimizerSpec, TrainingSpec
from zigbench.training.batches import TrainingBatch
from zigbench.training.optim import make_optimizer
from zigbench.training.parallel import World
from zigbench.training.precision import autocast, make_scaler
from zigbench.training.spread import unexchanged


class Gradient(NamedTuple):
    """What a backward pass gave: mean loss over the whole batch, norm of the whole gradient before clipping."""

    loss: float
    norm: float

    @property
    def finite(self) -> bool:
        return math.isfinite(self.loss) and math.isfinite(self.norm)


class Stepper:
    """Holds the optimizer of a network and makes its steps.

    Args:
        model: the network.
        forward: what is called in its place: the same, compiled, or spread over processes.
    """

    def __init__(
        self,
        model: nn.Module,
        forward: nn.Module,
        interpolant: Interpolant,
        optimizer: OptimizerSpec,
        training: TrainingSpec,
        world: World,
        device: torch.device,
    ) -> None:
        self.forward = forward
        self.interpolant = interpolant
        self.spec = optimizer
        self.training = training
        self.world = world
        self.device = device
        self.optimizer = make_optimizer(model, optimizer)
        self.scaler = make_scaler(training.precision, device)

    def loss(self, model: nn.Module, part: TrainingBatch) -> Tensor:
        """Mean loss of a part of the batch, ()."""
        with autocast(self.training.precision, self.device):
            losses = self.interpolant.loss(
                model, part.x, noise=part.noise, t=part.t, label=part.label, context=part.context
            )
        return losses.mean()

    def backward(self, material: TrainingBatch) -> Tensor:
        """Leave the gradient of the whole batch's mean loss in the parameters; the loss of this share, ()."""
        self.optimizer.zero()
        count = self.training.accumulate
        if count == 1:
            loss = self.loss(self.forward, material)
            self.scaler.scale(loss).backward()
            return loss.detach()
        total = torch.zeros((), device=self.device)
        for number, part in enumerate(material.parts(count), 1):
            # Processes exchange gradients once a step, with the last part.
            alone = self.world.size > 1 and number < count
            with unexchanged(self.forward) if alone else contextlib.nullcontext():
                loss = self.loss(self.forward, part) / count
                self.scaler.scale(loss).backward()
            total += loss.detach()
        return total

    def gradient(self, loss: Tensor, flag: bool = False) -> tuple[Gradient, bool]:
        """Loss and gradient's norm over all processes; waits for the device.

        Args:
            loss: of this process's share.
            flag: carried along to everyone: what comes back is true when any process said so.
        """
        if self.scaler.is_enabled():
            self.scaler.unscale_(self.optimizer)  # type: ignore[arg-type]
        self._gradients = self.optimizer.gradients(self.optimizer.parameters)
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(self._gradients)))
        if self.world.size > 1:
            loss, said, square = self.world.mean(torch.stack([loss, loss.new_tensor(float(flag)), norm.square()]))
            flag = bool(said > 0)
            if self.training.distribution == "sharded":
                norm = (square * self.world.size).sqrt()
        values = torch.stack([loss, norm]).tolist()
        return Gradient(*values), flag

    def update(self, gradient: Gradient, rate: float) -> None:
        """Clip the gradient to the spec's norm and step.

        A gradient that float16's scaled loss overflowed is skipped, and the scale lowered.
        """
        if gradient.norm > self.spec.clip:
            # As a tensor, which each gradient's product takes as it is; a number would be made into one each time.
            factor = self._gradients[0].new_tensor(self.spec.clip / gradient.norm)
            torch._foreach_mul_(self._gradients, factor)
        self.optimizer.lr = rate
        if self.scaler.is_enabled():
            self.scaler.step(self.optimizer)  # type: ignore[arg-type]
            self.scaler.update()
        else:
            self.optimizer.step()

    def overflowed(self, gradient: Gradient) -> bool:
        """Whether only the scale of the loss is to blame for a gradient that is not finite."""
        return self.scaler.is_enabled() and math.isfinite(gradient.loss) and self.scaler.get_scale() > 1.0
