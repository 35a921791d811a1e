"""Clips in a folder as a data set: read once to find what is unreadable, then from memory or from disk."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from zigbench.data.builtin.folders import ClipFolderConfig
from zigbench.data.folder import RESIDENT, THREADS, class_numbers, held_out_by_content, refuse_too_many
from zigbench.data.formats.pictures import UnreadablePictureError
from zigbench.data.formats.samples import Sample, digest_of
from zigbench.data.formats.video import list_clips, read_clip
from zigbench.data.random import clip_starts
from zigbench.data.split import AugmentationKey, Batch, Indices, Split, choose
from zigbench.spec.files import sha256


class ClipFolder:
    """A folder's clips, [-1, 1]; which are held out is a function of their content alone, as of pictures.

    Attributes:
        unreadable: what could not be read, a message each.

    Raises:
        MissingDataError: no folder, or no clips in it.
        ValueError: too many clips are unreadable, or the classes are not as many as the config says.
    """

    def __init__(self, config: ClipFolderConfig) -> None:
        samples = list_clips(Path(config.path))
        found: list[_Clip] = []
        self.unreadable: list[str] = []
        kept: list[_Clip] = []
        held = 0
        with ThreadPoolExecutor(THREADS) as pool:
            for clip in pool.map(lambda sample: _attempt(sample, config), samples):
                if isinstance(clip, str):
                    self.unreadable.append(clip)
                    continue
                found.append(clip)
                kept.append(clip)
                held += clip.length * config.channels * config.resolution**2
                if held > RESIDENT:
                    for other in kept:
                        other.pixels = None
                    kept.clear()
        refuse_too_many(self.unreadable, len(samples), config.unreadable, config.path, "clips")
        labels = class_numbers([clip.sample for clip in found], config.classes, config.path)
        held_out = held_out_by_content(
            [clip.digest for clip in found], [clip.sample.split for clip in found], config.held_out
        )
        self.splits: dict[str, Split] = {}
        for name, part in (("train", ~held_out), ("held-out", held_out)):
            rows = np.flatnonzero(part)
            if not len(rows):
                raise ValueError(f"{config.path}: no clip is left for the split {name!r}")
            label = None if labels is None else torch.from_numpy(labels[rows])
            self.splits[name] = ClipSplit([found[row] for row in rows], label, config)

    def split(self, split: str) -> Split:
        """``train`` or ``held-out``.

        Raises:
            ValueError: any other name.
        """
        return choose(self.splits, split)


class _Clip:
    """One clip: where it lies, what it is, and its pixels where they are kept."""

    def __init__(self, sample: Sample, digest: str, pixels: np.ndarray) -> None:
        self.sample = sample
        self.digest = digest
        self.length = len(pixels)
        self.pixels: np.ndarray | None = pixels

    def read(self, config: ClipFolderConfig) -> np.ndarray:
        """All frames, uint8 (F, C, H, W)."""
        return _read(self.sample, config) if self.pixels is None else self.pixels


class ClipSplit:
    """Stretches of clips.

    Read plainly, a clip shows the one stretch that all runs see; read in a visit, one that is a function of
    (seed, clip).
    """

    name = "clip-folder"
    varies = True

    def __init__(self, clips: Sequence[_Clip], label: torch.Tensor | None, config: ClipFolderConfig) -> None:
        self.clips = clips
        self.label = label
        self.config = config
        self.lengths = np.array([clip.length for clip in clips], dtype=np.int64)
        self.resident = all(clip.pixels is not None for clip in clips)
        how = f"{config.resolution} {config.frames} {config.channels} {config.filter}"
        labels = [] if label is None else label.tolist()
        self.content_hash = sha256(f"{how} {[clip.digest for clip in clips]} {labels}")

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, indices: Indices | AugmentationKey) -> Batch:
        asked, seed = indices if isinstance(indices, AugmentationKey) else (indices, None)
        chosen = np.asarray(asked, dtype=np.int64)
        first = clip_starts(seed, chosen, self.lengths[chosen], self.config.frames)
        stretches = [
            self.clips[index].read(self.config)[start : start + self.config.frames]
            for index, start in zip(chosen.tolist(), first.tolist(), strict=True)
        ]
        label = None if self.label is None else self.label[torch.from_numpy(chosen)]
        return Batch(torch.from_numpy(np.stack(stretches)).float() / 127.5 - 1, label)


def _read(sample: Sample, config: ClipFolderConfig) -> np.ndarray:
    assert sample.picture is not None
    return read_clip(
        sample.picture,
        config.resolution,
        config.channels,
        fewest=config.frames,
        name=sample.name,
        filter=config.filter,
    )


def _attempt(sample: Sample, config: ClipFolderConfig) -> str | _Clip:
    """A clip; what is wrong with it, in words."""
    assert sample.picture is not None
    try:
        pixels = _read(sample, config)
        return _Clip(sample, digest_of(sample.picture.read()), pixels)
    except UnreadablePictureError as error:
        return str(error)
