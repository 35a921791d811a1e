"""What each step trains on: data, noise, times, conditions. A function of (seed, step) alone.

Random numbers are drawn for the whole batch on every process, and each takes its share of them: the same images
meet the same noise however many processes there are.
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
from zigbench.interpolant import Interpolant
from zigbench.spec.rng import derive_seed
from zigbench.training.parallel import World

BURST = 8
"""Steps whose material is made at once, where it is small and its data lie in memory."""

BURST_BYTES = 2**22
"""Bytes that such material may take."""


@dataclass(frozen=True)
class TrainingBatch:
    """One process's share b of a step's batch, on its device.

    Attributes:
        step: counts from 0.
        x, noise: (b, …).
        t: (b,).
        label: int64 (b,) or None; −1 where it was dropped.
        context: (b, tokens, width) or None; zeros where it was dropped.
    """

    step: int
    x: Tensor
    noise: Tensor
    t: Tensor
    label: Tensor | None
    context: Tensor | None

    def parts(self, count: int) -> Iterator[TrainingBatch]:
        """The share in ``count`` equal parts."""
        size = len(self.x) // count
        for start in range(0, len(self.x), size):
            piece = slice(start, start + size)
            yield replace(
                self,
                x=self.x[piece],
                noise=self.noise[piece],
                t=self.t[piece],
                label=None if self.label is None else self.label[piece],
                context=None if self.context is None else self.context[piece],
            )


class BatchLoader:
    """The material of every step.

    Args:
        split: data to train on.
        interpolant: draws noise and times.
        seed: of the run.
        batch: images a step, over all processes; a multiple of the world's size.
        dropout: share of samples that lose label and context alike, for classifier-free guidance.
        world: this process among all.
        device: where the material goes, and where noise is drawn.
    """

    def __init__(
        self,
        split: Split,
        interpolant: Interpolant,
        *,
        seed: int,
        batch: int,
        dropout: float,
        world: World,
        device: torch.device,
    ) -> None:
        self.split = split
        self.interpolant = interpolant
        self.seed = seed
        self.batch = batch
        self.dropout = dropout
        self.device = device
        share = shard(batch, world.rank, world.size)
        self._share = slice(share.start, share.stop)
        # A coupling looks at the data of the whole batch; without one each process reads its own share only.
        self._whole = interpolant.coupling != "independent"
        self._generator = torch.Generator(device)
        self._dropping = torch.Generator()

    def indices(self, step: int) -> Tensor:
        """Samples this process reads for a step."""
        chosen = step_indices(self.seed, step, self.batch, len(self.split))
        return chosen if self._whole else chosen[self._share]

    def walk(self, start: int, stop: int) -> Iterator[TrainingBatch]:
        """Material of steps ``start`` to ``stop`` (exclusive)."""
        material = self._material(start, stop)
        # Between two steps the processor's caches are full of the network: making a little of the material then takes
        # several times as long as making more of it at once.
        first = next(material, None)
        if first is None:
            return
        yield first
        size = sum(part.nbytes for part in (first.x, first.noise, first.context) if part is not None)
        burst = BURST if self.split.resident and size * BURST <= BURST_BYTES else 1
        while made := list(itertools.islice(material, burst)):
            yield from made

    def _material(self, start: int, stop: int) -> Iterator[TrainingBatch]:
        share = self._share
        for step, read in enumerate(batches(self.split, self._asked, start, stop), start):
            x = self._move(read.x)
            # Without a coupling only the shape of the data is looked at: one element serves as the whole batch.
            whole = x if self._whole else x.new_empty(()).expand(self.batch, *x.shape[1:])
            self._generator.manual_seed(derive_seed(self.seed, "noise", step))
            noise, t = self.interpolant.draw(whole, self._generator)
            label, context = read.label, read.context
            if self._whole:
                x = x[share]
                label = None if label is None else label[share]
                context = None if context is None else context[share]
            if self.dropout > 0:
                label, context = self._drop(step, label, context)
            yield TrainingBatch(
                step,
                x,
                noise[share],
                t[share],
                None if label is None else self._move(label),
                None if context is None else self._move(context),
            )

    def _asked(self, step: int) -> Indices | AugmentationKey:
        """What a step asks of the split: samples, and where these vary with the visit, which visit it is."""
        indices = self.indices(step)
        if not getattr(self.split, "varies", False):
            return indices
        return AugmentationKey(indices, derive_seed(self.seed, "visit", step))

    def _drop(self, step: int, label: Tensor | None, context: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        if label is None and context is None:
            return None, None
        self._dropping.manual_seed(derive_seed(self.seed, "condition dropout", step))
        dropped = (torch.rand(self.batch, generator=self._dropping) < self.dropout)[self._share]
        if label is not None:
            label = label.masked_fill(dropped, NO_LABEL)
        if context is not None:
            context = context.masked_fill(dropped[:, None, None], 0.0)
        return label, context

    def _move(self, part: Tensor) -> Tensor:
        if self.device.type == "cpu":
            return part
        if self.device.type == "cuda":
            part = part.pin_memory()
        return part.to(self.device, non_blocking=True)
