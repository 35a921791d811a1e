"""Samples of a trained network, made in any number of pieces by any number of processes, and always the same.

Noise and label of sample i are functions of (seed, i). Samples are made in blocks of ``batch``, aligned to multiples
of it and always full, so that which process makes a block, or how many there are, changes no bit; another batch size
changes the rounding of sums inside the network and nothing else. Blocks are written as shards of uint8 with a hash
beside them, and a shard that is there and whole is not made again.
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
from zigbench.spec import SamplerSpec
from zigbench.spec.files import short_sha256, write_atomically
from zigbench.spec.rng import derive_seed

SHARD = 256
"""Samples in a shard, rounded to a multiple of the batch."""

INDEX = "index.json"


class BrokenSamplesError(ValueError):
    """Samples that are missing, cut short or not those asked for; the message says which."""


@dataclass(frozen=True)
class Plan:
    """What is to be generated.

    Args:
        seed: the run's seed.
        count: number of samples.
        batch: samples in a block.
        shape: of one sample as the network sees it, (C, H, W) or (T, C, H, W).
        classes: number of classes; None without labels. Sample i has label i mod classes.
        sampler: solver, steps, guidance.
        identity: what else the samples depend on (the network's weights, the decoder): shards made under another
            identity are made again.
    """

    seed: int
    count: int
    batch: int
    shape: tuple[int, ...]
    classes: int | None
    sampler: SamplerSpec
    identity: str = ""

    @property
    def shard(self) -> int:
        """Samples in one shard: whole blocks."""
        return self.batch * max(1, SHARD // self.batch)

    @property
    def shards(self) -> int:
        return -(-self.count // self.shard)

    @property
    def key(self) -> str:
        """Hash of everything that one sample depends on."""
        facts = (
            self.seed,
            self.batch,
            self.shape,
            self.classes,
            self.sampler.model_dump_json(exclude_none=True),
            self.identity,
        )
        return short_sha256(repr(facts))

    def span(self, shard: int) -> range:
        """Indices of the samples of one shard."""
        return range(shard * self.shard, min((shard + 1) * self.shard, self.count))


def balanced_labels(indices: Sequence[int], classes: int) -> Tensor:
    """Return label i mod ``classes`` for each sample index i, int64 (len(indices),): every class equally often."""
    return torch.tensor([int(index) % classes for index in indices], dtype=torch.int64)


@torch.no_grad()
def make_block(
    model: Any,
    interpolant: Any,
    plan: Plan,
    first: int,
    *,
    contexts: Callable[[Sequence[int]], Tensor] | None = None,
    decode: Callable[[Tensor], Tensor] | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Samples ``first`` to ``first + batch`` (exclusive) as uint8 on the CPU.

    Args:
        model, interpolant: the network and the meaning of its output.
        plan: what is generated.
        first: a multiple of the batch.
        contexts: texts' embeddings of the samples with the given indices; None without text.
        decode: latents to images in [-1, 1]; None where the network makes images.
        device: where the network is.
    """
    assert first % plan.batch == 0
    indices = range(first, first + plan.batch)
    seeds = [derive_seed(plan.seed, "sample", index) for index in indices]
    label = None if plan.classes is None else balanced_labels(indices, plan.classes).to(device)
    x = sample(
        model,
        interpolant,
        starting_noise(seeds, plan.shape).to(device),
        label=label,
        context=None if contexts is None else contexts(indices).to(device),
        generator=seeds,
        **plan.sampler.model_dump(exclude_none=True),
    )
    return to_uint8(x if decode is None else decode(x)).cpu()


def generate(
    model: Any,
    interpolant: Any,
    plan: Plan,
    folder: Path,
    *,
    rank: int = 0,
    world: int = 1,
    on_batch: Callable[[int], None] | None = None,
    **how: Any,
) -> None:
    """Make this process's share of the shards: those whose number is ``rank`` modulo ``world``.

    Args:
        model, interpolant: the network and the meaning of its output.
        plan: what is generated; the same in every process.
        folder: where the shards go; made where missing.
        rank, world: which of how many processes this is.
        on_batch: called with the number of samples just made, or found made.
        how: ``contexts``, ``decode`` and ``device`` of :func:`make_block`.
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
            # The last block is made whole, its surplus dropped: the network always sees the same batch size.
            block = make_block(model, interpolant, plan, first, **how)[: span.stop - first]
            blocks.append(block.numpy())
            if on_batch is not None:
                on_batch(len(block))
        facts = {"key": plan.key, "first": span.start, "count": len(span)}
        store.write(_name(shard), {"": np.concatenate(blocks)}, facts)


@dataclass(frozen=True)
class Samples:
    """Generated samples on disk, whole and in order; an image set.

    Attributes:
        folder: where the shards are.
        count: number of samples.
        shard: samples in each shard but the last.
        classes: number of classes; sample i has label i mod classes. None without labels.
    """

    folder: Path
    count: int
    shard: int
    classes: int | None

    @classmethod
    def gather(cls, folder: Path, plan: Plan) -> Samples:
        """Check that every shard of the plan is there and whole, and write the index.

        Raises:
            BrokenSamplesError: names the shards that are missing, cut short or altered.
        """
        store = ShardStore(folder)
        broken = [_name(shard) for shard in range(plan.shards) if not _is_whole(store, plan, shard)]
        if broken:
            some = ", ".join(broken[:5]) + (", …" if len(broken) > 5 else "")
            raise BrokenSamplesError(
                f"{folder}: {len(broken)} of {plan.shards} shards are missing, damaged or of other weights: {some}"
            )
        index = {
            "count": plan.count,
            "shard": plan.shard,
            "classes": plan.classes,
            "key": plan.key,
            "files": [f"{_name(shard)}.npy" for shard in range(plan.shards)],
        }
        write_atomically(folder / INDEX, (json.dumps(index, indent=1) + "\n").encode())
        return cls(folder, plan.count, plan.shard, plan.classes)

    @classmethod
    def read(cls, folder: Path) -> Samples:
        """Open samples that were gathered before.

        Raises:
            BrokenSamplesError: there is no index, or the shards do not hold the samples it counts.
        """
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            held = sum(len(np.load(folder / name, mmap_mode="r", allow_pickle=False)) for name in index["files"])
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise BrokenSamplesError(f"{folder}: not a folder of gathered samples ({error})") from None
        if held != index["count"]:
            raise BrokenSamplesError(f"{folder}: the index counts {index['count']} samples, the shards hold {held}")
        return cls(folder, index["count"], index["shard"], index["classes"])

    def __len__(self) -> int:
        return self.count

    @property
    def labels(self) -> Tensor | None:
        """Labels, int64 (count,); None without classes."""
        return None if self.classes is None else balanced_labels(range(self.count), self.classes)

    def images(self, start: int, stop: int) -> Tensor:
        """Samples ``start`` to ``stop`` (exclusive), uint8 (n, C, H, W) or (n, T, C, H, W)."""
        parts = []
        for shard in range(start // self.shard, -(-stop // self.shard)):
            first = shard * self.shard
            array = ShardStore(self.folder).load(_name(shard))
            parts.append(np.array(array[max(start - first, 0) : stop - first]))
        return torch.from_numpy(np.concatenate(parts))


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array as .npy, atomically."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_atomically(path, buffer.getvalue())


def _name(shard: int) -> str:
    return f"shard-{shard:05d}"


def _is_whole(store: ShardStore, plan: Plan, shard: int) -> bool:
    span = plan.span(shard)
    facts = store.read(_name(shard), plan.key)
    return facts is not None and (facts["first"], facts["count"]) == (span.start, len(span))
