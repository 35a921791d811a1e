"""The batch of each training step: data, noise, times and conditions, a function of (seed, step) alone.

Every process draws the random numbers of the whole batch and takes its share of them: each image has the same noise for
any number of processes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zigbench.backbone import NO_LABEL
from zigbench.data.prefetch import batches
from zigbench.data.random import shard, step_indices
from zigbench.data.split import AugmentationKey, Indices, Split
from zigbench.objectives.base import Objective
from zigbench.spec.rng import derive_seed
from zigbench.training.parallel import World

BURST = 8
"""Number of batches that are prepared at once, if they are small and their data lie in memory."""

BURST_BYTES = 2**22
"""Bytes that the batches of a burst may take."""


@dataclass(frozen=True)
class TrainingBatch:
    """One process's share b of a step's batch, on its device.

    Attributes:
        step: counts from 0.
        x, noise: (b, …).
        t: (b,).
        end: (b,) or None; the objective's second times.
        label: int64 (b,) or None; −1 where it was dropped.
        context: (b, tokens, width) or None; zeros where it was dropped.
    """

    step: int
    x: Tensor
    noise: Tensor
    t: Tensor
    end: Tensor | None
    label: Tensor | None
    context: Tensor | None

    def parts(self, count: int) -> Iterator[TrainingBatch]:
        """Yield the share in ``count`` equal parts."""
        if count == 1:
            yield self
            return
        size = len(self.x) // count
        for start in range(0, len(self.x), size):
            rows = slice(start, start + size)
            yield replace(
                self,
                x=self.x[rows],
                noise=self.noise[rows],
                t=self.t[rows],
                end=None if self.end is None else self.end[rows],
                label=None if self.label is None else self.label[rows],
                context=None if self.context is None else self.context[rows],
            )


class BatchLoader:
    """The batches of a training.

    Args:
        split: data to train on.
        objective: draws noise and times.
        seed: of the run.
        batch: images a step, over all processes; a multiple of the number of processes.
        label_dropout: share of samples that lose label and context alike, for classifier-free guidance.
        world: this process among all.
        device: the device of the batches, on which noise is drawn.
    """

    def __init__(
        self,
        split: Split,
        objective: Objective,
        *,
        seed: int,
        batch: int,
        label_dropout: float,
        world: World,
        device: torch.device,
    ) -> None:
        self.split = split
        self.objective = objective
        self.seed = seed
        self.batch = batch
        self.label_dropout = label_dropout
        self.device = device
        share = shard(batch, world.rank, world.size)
        self._share = slice(share.start, share.stop)
        # A coupling needs the data of the whole batch; without one each process reads only its share.
        self._coupled = objective.interpolant.coupling != "independent"
        self._noise_generator, self._times_generator = torch.Generator(device), torch.Generator(device)
        self._dropout_generator = torch.Generator()

    def batches(self, start: int, stop: int) -> Iterator[TrainingBatch]:
        """Yield the batches of steps ``start`` to ``stop`` (exclusive)."""
        source = self._batches(start, stop)
        first = next(source, None)
        if first is None:
            return
        yield first
        # Between two steps the processor's caches are full of the network: preparing one small batch then takes
        # several times as long as its share of a burst.
        size = sum(part.nbytes for part in (first.x, first.noise, first.context) if part is not None)
        burst = BURST if self.split.resident and size * BURST <= BURST_BYTES else 1
        while prepared := list(itertools.islice(source, burst)):
            yield from prepared

    def _batches(self, start: int, stop: int) -> Iterator[TrainingBatch]:
        share = self._share
        for step, samples in enumerate(batches(self.split, self._request, start, stop), start):
            x = self._move(samples.x)
            # Without a coupling only the shape of the data matters: one element suffices for the whole batch.
            whole = x if self._coupled else x.new_empty(()).expand(self.batch, *x.shape[1:])
            self._noise_generator.manual_seed(derive_seed(self.seed, "noise", step))
            noise, t = self.objective.interpolant.draw(whole, self._noise_generator)
            self._times_generator.manual_seed(derive_seed(self.seed, "times", step))
            t, end = self.objective.times(t, self._times_generator)
            label, context = samples.label, samples.context
            if self._coupled:
                x = x[share]
                label = None if label is None else label[share]
                context = None if context is None else context[share]
            if self.label_dropout > 0:
                label, context = self._drop_conditions(step, label, context)
            yield TrainingBatch(
                step,
                x,
                noise[share],
                t[share],
                None if end is None else end[share],
                None if label is None else self._move(label),
                None if context is None else self._move(context),
            )

    def _request(self, step: int) -> Indices | AugmentationKey:
        """Return the samples to read for a step, with the seed of their augmentation where the split has one."""
        indices = step_indices(self.seed, step, self.batch, len(self.split))
        if not self._coupled:
            indices = indices[self._share]
        if not getattr(self.split, "varies", False):
            return indices
        return AugmentationKey(indices, derive_seed(self.seed, "visit", step))

    def _drop_conditions(
        self, step: int, label: Tensor | None, context: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        if label is None and context is None:
            return None, None
        self._dropout_generator.manual_seed(derive_seed(self.seed, "condition dropout", step))
        dropped = (torch.rand(self.batch, generator=self._dropout_generator) < self.label_dropout)[self._share]
        if label is not None:
            label = label.masked_fill(dropped, NO_LABEL)
        if context is not None:
            context = context.masked_fill(dropped[:, None, None], 0.0)
        return label, context

    def _move(self, tensor: Tensor) -> Tensor:
        if self.device.type == "cpu":
            return tensor
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)
