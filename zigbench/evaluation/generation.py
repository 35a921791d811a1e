"""Samples of a trained network: drawn in any number of pieces by any number of processes, and always the same.

Noise and label of sample i are functions of (seed, i). Samples are drawn in blocks of ``batch``, aligned to multiples
of it and always full, so that neither the number of processes nor the process that draws a block changes any bit;
another batch size changes the rounding of sums inside the network and nothing else. Blocks are written as shards of
uint8 with hashes, and a shard that is whole is not drawn again.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zigbench.data.pixels import to_uint8
from zigbench.data.shards import ShardStore
from zigbench.sampling import sample, starting_noise
from zigbench.sampling.classifier_guidance import Classifier
from zigbench.spec import SamplerSpec
from zigbench.spec.files import short_sha256, write_atomically
from zigbench.spec.rng import derive_seed

SHARD = 256
"""Samples in a shard, rounded to a multiple of the batch."""

INDEX = "index.json"


class BrokenSamplesError(ValueError):
    """Samples that are missing, truncated or of another plan; the message names them."""


@dataclass(frozen=True)
class SamplingPlan:
    """The samples to be drawn.

    Args:
        seed: the run's seed.
        count: number of samples.
        batch: number of samples in a block.
        shape: shape of one sample as the network sees it, (C, H, W) or (T, C, H, W).
        classes: number of classes; None without labels.
        sampler: solver, steps, guidance.
        identity: anything else that the samples depend on (the network's weights, the decoder); shards of another
            identity are drawn again.
        labels: label of each sample; None for i mod classes.
    """

    seed: int
    count: int
    batch: int
    shape: tuple[int, ...]
    classes: int | None
    sampler: SamplerSpec
    identity: str = ""
    labels: tuple[int, ...] | None = None

    def labels_of(self, indices: Sequence[int]) -> Tensor | None:
        """Return the labels of samples, int64 (len(indices),); None without classes. Surplus samples repeat them."""
        if self.classes is None:
            return None
        if self.labels is None:
            return balanced_labels(indices, self.classes)
        return torch.tensor([self.labels[index % len(self.labels)] for index in indices], dtype=torch.int64)

    @property
    def shard(self) -> int:
        """Number of samples in one shard: whole blocks."""
        return self.batch * max(1, SHARD // self.batch)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.count // self.shard)

    @property
    def key(self) -> str:
        """Hash of everything that a sample depends on."""
        facts = (
            self.seed,
            self.batch,
            self.shape,
            self.classes,
            self.sampler.model_dump_json(exclude_none=True),
            self.identity,
            *(() if self.labels is None else (self.labels,)),
        )
        return short_sha256(repr(facts))

    def span(self, shard: int) -> range:
        """Return the indices of the samples of one shard."""
        return range(shard * self.shard, min((shard + 1) * self.shard, self.count))


def balanced_labels(indices: Sequence[int], classes: int) -> Tensor:
    """Return label i mod ``classes`` for each sample index i, int64 (len(indices),): every class equally often."""
    return torch.tensor([int(index) % classes for index in indices], dtype=torch.int64)


def drawn_labels(policy: str, seed: int, count: int, classes: int | None, train: Any) -> tuple[int, ...] | None:
    """Return the label of each of ``count`` samples; None where sample i has label i mod ``classes``, or none.

    Args:
        policy: the spec's ``evaluation.labels``: "balanced", "uniform" or "data".
        seed: the run's seed. The label of sample i is a function of it and of i.
        count: number of samples.
        classes: number of classes; None without labels.
        train: the training images, whose labels "data" draws from.
    """
    if classes is None or policy == "balanced":
        return None
    choices = classes if policy == "uniform" else len(train)
    draws = [derive_seed(seed, "label", index) % choices for index in range(count)]
    if policy == "uniform":
        return tuple(draws)
    distinct = sorted(set(draws))
    labels: dict[int, int] = {}
    for start in range(0, len(distinct), SHARD):
        some = distinct[start : start + SHARD]
        labels |= dict(zip(some, train.batch(some).label.tolist(), strict=True))
    return tuple(labels[image] for image in draws)


@torch.no_grad()
def draw_block(
    model: Any,
    interpolant: Any,
    plan: SamplingPlan,
    first: int,
    *,
    contexts: Callable[[Sequence[int]], Tensor] | None = None,
    decode: Callable[[Tensor], Tensor] | None = None,
    classifier: Classifier | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw samples ``first`` to ``first + batch`` (exclusive), uint8 on the CPU.

    Args:
        model, interpolant: the network and the meaning of its output.
        plan: the samples.
        first: a multiple of the batch.
        contexts: the map from samples' indices to their texts' embeddings; None without text.
        decode: the map from latents to images in [-1, 1]; None if the network draws images.
        classifier: the classifier of noisy samples that guides; None without ``sampler.classifier_scale``.
        device: the network's device.
    """
    assert first % plan.batch == 0
    indices = range(first, first + plan.batch)
    seeds = [derive_seed(plan.seed, "sample", index) for index in indices]
    label = plan.labels_of(indices)
    x = sample(
        model,
        interpolant,
        starting_noise(seeds, plan.shape).to(device),
        label=None if label is None else label.to(device),
        context=None if contexts is None else contexts(indices).to(device),
        generator=seeds,
        classifier=classifier,
        **plan.sampler.model_dump(exclude_none=True),
    )
    return to_uint8(x if decode is None else decode(x)).cpu()


def generate(
    model: Any,
    interpolant: Any,
    plan: SamplingPlan,
    folder: Path,
    *,
    rank: int = 0,
    world: int = 1,
    on_batch: Callable[[int], None] | None = None,
    **how: Any,
) -> None:
    """Draw this process's share of the shards: those whose number is ``rank`` modulo ``world``.

    Args:
        model, interpolant: the network and the meaning of its output.
        plan: the samples; the same in every process.
        folder: the folder of the shards, created if need be.
        rank, world: this process's rank and the number of processes.
        on_batch: called with the number of samples of each block that was drawn, or shard that existed.
        how: ``contexts``, ``decode``, ``classifier`` and ``device`` of :func:`draw_block`.
    """
    if not 0 <= rank < world:
        raise ValueError(f"rank {rank} of {world} processes: ranks run from 0 to {world - 1}")
    store = ShardStore(folder)
    for shard in range(rank, plan.shards, world):
        span = plan.span(shard)
        if _is_whole(store, plan, shard):
            if on_batch is not None:
                on_batch(len(span))
            continue
        blocks = []
        for first in range(span.start, span.stop, plan.batch):
            # The last block is drawn whole and its surplus dropped: the network always sees the same batch size.
            block = draw_block(model, interpolant, plan, first, **how)[: span.stop - first]
            blocks.append(block.numpy())
            if on_batch is not None:
                on_batch(len(block))
        facts = {"key": plan.key, "first": span.start, "count": len(span)}
        store.write(_name(shard), {"": np.concatenate(blocks)}, facts)


@dataclass(frozen=True)
class Samples:
    """The generated samples of a run on disk, whole and in order; an image set.

    For example, the first ten of a finished run::

        samples = Samples.read(folder / "samples")
        images = samples.images(0, 10)

    Attributes:
        folder: the folder of the shards.
        count: number of samples.
        shard: number of samples in each shard but the last.
        classes: number of classes; None without labels.
        given: label of each sample; None for i mod classes.
    """

    folder: Path
    count: int
    shard: int
    classes: int | None
    given: tuple[int, ...] | None = None

    @classmethod
    def gather(cls, folder: Path, plan: SamplingPlan) -> Samples:
        """Check that every shard of the plan is whole, and write the index.

        Raises:
            BrokenSamplesError: names the shards that are missing, truncated or altered.
        """
        store = ShardStore(folder)
        broken = [_name(shard) for shard in range(plan.shards) if not _is_whole(store, plan, shard)]
        if broken:
            some = ", ".join(broken[:5]) + (", …" if len(broken) > 5 else "")
            raise BrokenSamplesError(
                f"{folder}: {len(broken)} of {plan.shards} shards are missing, damaged or of another plan: {some}"
            )
        index = {
            "count": plan.count,
            "shard": plan.shard,
            "classes": plan.classes,
            "key": plan.key,
            "files": [f"{_name(shard)}.npy" for shard in range(plan.shards)],
            **({} if plan.labels is None else {"labels": plan.labels}),
        }
        write_atomically(folder / INDEX, (json.dumps(index, indent=1) + "\n").encode())
        return cls(folder, plan.count, plan.shard, plan.classes, plan.labels)

    @classmethod
    def read(cls, folder: Path) -> Samples:
        """Open the samples of a run.

        Raises:
            BrokenSamplesError: there is no index, or the shards have another number of samples.
        """
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            total = sum(len(np.load(folder / name, mmap_mode="r", allow_pickle=False)) for name in index["files"])
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise BrokenSamplesError(f"{folder}: not a folder of gathered samples ({error})") from None
        if total != index["count"]:
            raise BrokenSamplesError(f"{folder}: the index counts {index['count']} samples, the shards hold {total}")
        given = index.get("labels")
        return cls(folder, index["count"], index["shard"], index["classes"], None if given is None else tuple(given))

    def __len__(self) -> int:
        return self.count

    @property
    def labels(self) -> Tensor | None:
        """Labels, int64 (count,); None without classes."""
        if self.given is not None:
            return torch.tensor(self.given, dtype=torch.int64)
        return None if self.classes is None else balanced_labels(range(self.count), self.classes)

    def images(self, start: int, stop: int) -> Tensor:
        """Return samples ``start`` to ``stop`` (exclusive), uint8 (n, C, H, W) or (n, T, C, H, W)."""
        store = ShardStore(self.folder)
        parts = []
        for shard in range(start // self.shard, -(-stop // self.shard)):
            first = shard * self.shard
            array = store.load(_name(shard))
            parts.append(np.array(array[max(start - first, 0) : stop - first]))
        return torch.from_numpy(np.concatenate(parts))


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array as .npy, atomically."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_atomically(path, buffer.getvalue())


def _name(shard: int) -> str:
    return f"shard-{shard:05d}"


def _is_whole(store: ShardStore, plan: SamplingPlan, shard: int) -> bool:
    """Return whether a shard exists, undamaged, with all of its samples of this plan."""
    facts, span = store.read(_name(shard), plan.key), plan.span(shard)
    return facts is not None and (facts.get("first"), facts.get("count")) == (span.start, len(span))
