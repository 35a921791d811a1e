"""A split of prepared latents, read by index from memory-mapped shards."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zigbench.data.random import clip_starts, random_uint64
from zigbench.data.shards import ShardStore
from zigbench.data.split import AugmentationKey, Batch, Indices
from zigbench.spec.files import sha256
from zigbench.spec.rng import derive_seed

CONDITIONS = ("labels", "texts", "first")
"""Parts of a shard that say what its samples are of."""


@dataclass(frozen=True)
class _Shard:
    moments: np.ndarray
    labels: np.ndarray | None
    texts: np.ndarray | None
    first: np.ndarray | None
    frames: np.ndarray | None


class LatentSplit:
    """A split in memory-mapped shards.

    Read plainly, a sample is the posterior's mean of the picture as it is, with its first caption. Read with an
    :class:`~zigbench.data.split.AugmentationKey`, its view, its caption and, where wanted, a draw from the posterior
    are functions of (seed, sample). So is the stretch of a clip; read plainly, it is the one that all runs see.

    Args:
        store: where the shards lie.
        shards: their facts, in order.
        name: of the data set.
        scale, shift: latents are (z − shift)·scale.
        labelled, text: whether labels and captions are given.
        posterior: whether latents are drawn from the posterior under a key.
        frames: consecutive frames of a sample, where the shards hold clips; None where they hold images.
    """

    resident = False
    varies = True

    def __init__(
        self,
        store: ShardStore,
        shards: list[dict[str, Any]],
        *,
        name: str,
        scale: float,
        shift: float = 0.0,
        labelled: bool = False,
        text: bool = False,
        posterior: bool = False,
        frames: int | None = None,
    ) -> None:
        self.name = name
        self.scale = scale
        self.shift = shift
        self.posterior = posterior
        self._starts = np.cumsum([0, *(shard["count"] for shard in shards)])
        self._frames = frames
        self._shards = [_open(store, shard["name"], labelled, text, frames is not None) for shard in shards]
        hashes = [{part: file["sha256"] for part, file in shard["files"].items()} for shard in shards]
        facts = [hashes, scale, shift, labelled, text] + ([] if frames is None else [frames])
        self.content_hash = sha256(json.dumps(facts, sort_keys=True))
        images = [{part: digest for part, digest in shard.items() if part not in CONDITIONS} for shard in hashes]
        self.unlabelled_hash = sha256(json.dumps([images, scale, shift, False, False, *facts[5:]], sort_keys=True))

    def __len__(self) -> int:
        return int(self._starts[-1])

    def batch(self, indices: Indices | AugmentationKey) -> Batch:
        """Return the samples at ``indices``, each as it is, or augmented under a key.

        Raises:
            IndexError: there is no such sample.
        """
        samples, seed = indices if isinstance(indices, AugmentationKey) else (indices, None)
        return self._read(np.asarray(samples, dtype=np.int64), seed)

    def _read(self, indices: np.ndarray, seed: int | None) -> Batch:
        if ((indices < 0) | (indices >= len(self))).any():
            raise IndexError(f"samples run from 0 to {len(self) - 1}")
        homes = np.searchsorted(self._starts, indices, side="right") - 1
        rows = indices - self._starts[homes]
        views = np.zeros(len(indices), np.int64)
        if seed is not None:
            views = (random_uint64(seed, indices, 0) % self._shards[0].moments.shape[1]).astype(np.int64)
        x = torch.empty(len(indices), *self._shape)
        labels = None if self._shards[0].labels is None else torch.empty(len(indices), dtype=torch.int64)
        texts = self._shards[0].texts
        context = None if texts is None else torch.empty(len(indices), *texts.shape[1:])
        picks = random_uint64(seed, indices, 1) if seed is not None else np.zeros(len(indices), np.uint64)
        for home in np.unique(homes):
            shard, here = self._shards[home], np.flatnonzero(homes == home)
            at = torch.from_numpy(here)
            row = self._rows(shard, rows[here], indices[here], seed)
            view = views[here].reshape(-1, *(1,) * (row.ndim - 1))
            x[at] = torch.from_numpy(shard.moments[row, view, 0]).float()
            if seed is not None and self.posterior:
                log_variance = torch.from_numpy(shard.moments[row, view, 1]).float()
                x[at] += (0.5 * log_variance).exp() * _noise(seed, indices[here], self._shape)
            if labels is not None and shard.labels is not None:
                labels[at] = torch.from_numpy(shard.labels[rows[here]])
            if context is not None and shard.texts is not None and shard.first is not None:
                first = shard.first[rows[here]]
                count = (shard.first[rows[here] + 1] - first).astype(np.uint64)
                context[at] = torch.from_numpy(shard.texts[first + (picks[here] % count).astype(np.int64)]).float()
        return Batch(x.sub_(self.shift).mul_(self.scale), labels, context)

    @property
    def _shape(self) -> tuple[int, ...]:
        """Shape of a sample."""
        shape: tuple[int, ...] = self._shards[0].moments.shape[3:]
        return shape if self._frames is None else (self._frames, *shape)

    def _rows(self, shard: _Shard, rows: np.ndarray, indices: np.ndarray, seed: int | None) -> np.ndarray:
        """Return rows of the moments: one a sample, int64 (b,), or a stretch of each clip, int64 (b, frames)."""
        if self._frames is None or shard.frames is None:
            return rows
        first, lengths = shard.frames[rows], np.diff(shard.frames)[rows]
        begin = first + clip_starts(seed, indices, lengths, self._frames)
        return begin[:, None] + np.arange(self._frames)


def _open(store: ShardStore, name: str, labelled: bool, text: bool, clips: bool) -> _Shard:
    def mapped(part: str, wanted: bool) -> np.ndarray | None:
        return store.load(name, part) if wanted else None

    return _Shard(
        store.load(name, "moments"),
        mapped("labels", labelled),
        mapped("texts", text),
        mapped("first", text),
        mapped("frames", clips),
    )


def _noise(seed: int, indices: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    """Draw standard normal (n, *shape), each row a function of (seed, index)."""
    draws = torch.empty(len(indices), *shape)
    generator = torch.Generator()
    for row, index in enumerate(indices.tolist()):
        generator.manual_seed(derive_seed(seed, "posterior", index))
        draws[row] = torch.randn(shape, generator=generator)
    return draws
