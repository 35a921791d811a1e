"""The loop: from the newest checkpoint to the last step, one step after the other."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from zigbench.data.split import Split
from zigbench.interpolant import Interpolant
from zigbench.preemption import Preempted
from zigbench.spec import OptimizerSpec, TrainingSpec
from zigbench.spec.rng import derive_seed
from zigbench.training.batches import BatchLoader, TrainingBatch
from zigbench.training.divergence import DivergedError, blame, locate, locate_anywhere
from zigbench.training.ema import Average
from zigbench.training.journal import Journal
from zigbench.training.meter import Meter
from zigbench.training.optim import rate
from zigbench.training.parallel import World
from zigbench.training.progress import Progress
from zigbench.training.spread import spread
from zigbench.training.state import Keeper
from zigbench.training.step import Gradient, Stepper

log = logging.getLogger(__name__)

MAX_REWINDS = 10
"""After so many halvings of the rate a training is given up."""


@dataclass(frozen=True)
class Trained:
    """What a training leaves.

    Attributes:
        model: the averaged network, in evaluation mode.
        step: steps done.
        images_seen: samples drawn, with repetition.
        loss: mean training loss over the last tenth of the steps.
        curve: (steps done, mean loss since the entry before).
    """

    model: nn.Module
    step: int
    images_seen: int
    loss: float
    curve: tuple[tuple[int, float], ...]


class Loop:
    """One training; see :func:`zigbench.training.fit` for the arguments."""

    def __init__(
        self,
        model: nn.Module,
        interpolant: Interpolant,
        split: Split,
        *,
        optimizer: OptimizerSpec,
        training: TrainingSpec,
        seed: int,
        folder: Path,
        on_step: Callable[[int, float, float], None] | None,
        device: torch.device,
        label_dropout: float,
        world: World,
        leave: Callable[[], bool],
        ceiling: float | None,
    ) -> None:
        self.model = model.train()
        self.optimizer = optimizer
        self.training = training
        self.seed = seed
        self.on_step = on_step
        self.leave = leave
        self.ceiling = None if ceiling is None else ceiling * world.size
        self.device = device
        self.world = world
        self.average = Average(model, training)
        forward = spread(model, training, world, device)
        self.average.follow(model)
        self.stepper = Stepper(model, forward, interpolant, optimizer, training, world, device)
        self.feed = BatchLoader(
            split, interpolant, seed=seed, batch=training.batch, dropout=label_dropout, world=world, device=device
        )
        self.progress = Progress(training.steps)
        facts = {
            "seed": seed,
            "data": split.content_hash,
            "label_dropout": label_dropout,
            "interpolant": interpolant.facts,
        }
        self.keeper = Keeper(self.model, self.average, self.stepper, self.progress, folder, training, facts, world)
        self.journal = Journal(folder, training, world)

    def run(self) -> Trained:
        """Do the steps that are left."""
        try:
            self.journal.open(*self.keeper.resume())
            if self.training.on_divergence == "rewind" and self.progress.step == 0:
                self._save()
            while self.progress.step < self.training.steps:
                try:
                    self._walk()
                except DivergedError as error:
                    self._rewind(error)
            if not self.world.broadcast(self.keeper.holds(self.progress.step)):
                self._save()
            curve = self.journal.curve()
        finally:
            self.journal.close()
        progress = self.progress
        return Trained(
            model=self.average.model,
            step=progress.step,
            images_seen=progress.step * self.training.batch,
            loss=progress.final_loss,
            curve=self.world.broadcast(curve),
        )

    def _walk(self) -> None:
        """Step until the end, or until the training diverges."""
        geometry = getattr(self.model, "geometry", None)
        tokens = geometry.tokens if geometry else 1
        meter = Meter(self.training.batch, tokens, self.device, self.progress.seconds, self.ceiling)
        walk = self.feed.walk(self.progress.step, self.training.steps)
        material = meter.waiting(walk)
        saved = time.monotonic()
        while material is not None:
            self._reseed(material.step)
            loss = self.stepper.backward(material)
            # Between the backward pass and the wait for its outcome, so that a GPU works while the batch is made.
            upcoming = meter.waiting(walk)
            late = self.leave() or time.monotonic() - saved >= self.training.checkpoint_seconds
            gradient, late = self.stepper.gradient(loss, late)
            if not gradient.finite and not self.stepper.overflowed(gradient):
                raise self._diverged(material, gradient)
            now = self.progress.rate_factor * rate(self.optimizer, material.step, self.training.steps)
            self.stepper.update(gradient, now)
            self.progress.took(gradient.loss)
            self.average.update(self.progress.step)
            self._tell(gradient, now, meter)
            if late or self.keeper.due(self.progress.step):
                self.progress.seconds = meter.seconds
                self._save()
                # Asked here only, so that all processes go after the same step.
                if any(self.world.gather(self.leave())):
                    raise Preempted
                saved = time.monotonic()
            material = upcoming

    def _tell(self, gradient: Gradient, now: float, meter: Meter) -> None:
        step = self.progress.step
        last = step == self.training.steps
        if step % self.journal.every == 0 or last:
            norm = gradient.norm if math.isfinite(gradient.norm) else None
            self.journal.figures({"step": step, "loss": self.progress.mean_loss(), "lr": now, "grad_norm": norm})
        if meter.due() or last:
            self.progress.seconds = meter.seconds
            self.journal.telemetry(meter.line(step))
        if self.on_step is not None and self.world.main:
            self.on_step(step, gradient.loss, now)

    def _save(self) -> None:
        self.keeper.save(*self.journal.lengths())

    def _reseed(self, step: int) -> None:
        """Make what the network itself draws (such as dropped paths) a function of (seed, step, process)."""
        seed = derive_seed(self.seed, "network", step, self.world.rank)
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _diverged(self, material: TrainingBatch, gradient: Gradient) -> DivergedError:
        """The error for a step, with the layer it began in: the step is done again, watched."""
        if self.training.distribution == "sharded":
            found = blame(self.model)
        else:
            self._reseed(material.step)
            found = locate(self.model, lambda: self.stepper.loss(self.model, material))
        layer, what = locate_anywhere(found, self.world.gather(found))
        figures = f"loss {gradient.loss:g}, gradient norm {gradient.norm:g}"
        return DivergedError(material.step + 1, layer, f"{what} ({figures})")

    def _rewind(self, error: DivergedError) -> None:
        """Go back to the last anchor and halve the rate.

        Raises:
            DivergedError: the spec says to stop, or this has been done too often.
        """
        if self.training.on_divergence == "stop":
            raise error
        factor, rewinds = self.progress.rate_factor / 2, self.progress.rewinds + 1
        if rewinds > MAX_REWINDS:
            raise DivergedError(error.step, error.layer, f"{error}; the rate was halved {MAX_REWINDS} times already")
        self.journal.cut(*self.keeper.rewind())
        self.progress.rate_factor, self.progress.rewinds = factor, rewinds
        log.warning("%s; back to step %d with %g of the rate", error, self.progress.step, factor)
        self.journal.event({"step": self.progress.step, "rewound_from": error.step, "rate_factor": factor})
