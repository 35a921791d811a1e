"""Pictures or clips in a folder as a data set: read once to find what is unreadable, then from memory or from disk."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from zigbench.data.builtin.folders import ClipFolderConfig, ImageFolderConfig
from zigbench.data.formats.classes import class_numbers
from zigbench.data.formats.listing import list_samples
from zigbench.data.formats.pictures import UnreadablePictureError, read_picture
from zigbench.data.formats.samples import (
    MissingDataError,
    Sample,
    digest_of,
    held_out_by_content,
    printable,
    refuse_too_many,
)
from zigbench.data.formats.video import list_clips, read_clip
from zigbench.data.pixels import from_uint8
from zigbench.data.random import clip_starts
from zigbench.data.shards import DamagedDataError
from zigbench.data.split import AugmentationKey, Batch, Indices, Split, TensorSplit, choose
from zigbench.spec.files import sha256

RESIDENT = 4 * 2**30
"""Bytes of pixels that are kept in memory; a larger set is read from disk as it is needed."""

THREADS = 4

FolderConfig = ImageFolderConfig | ClipFolderConfig


@dataclass
class Item:
    """One picture or clip that can be read.

    Attributes:
        sample: its place on disk.
        digest: SHA-256 of its content, hexadecimal.
        pixels: uint8 (C, H, W) or (F, C, H, W); None where they are read from disk.
        length: of a clip in frames; 1 for a picture.
    """

    sample: Sample
    digest: str
    pixels: np.ndarray | None
    length: int


class Folder:
    """A folder's pictures or clips, in [-1, 1]; which are held out is a function of their content alone.

    Clips are the rank above pictures: their config has ``frames``, and a sample is so many consecutive frames of one.

    Args:
        config: of the folder.

    Attributes:
        unreadable: what could not be read, a message each.

    Raises:
        MissingDataError: no folder, or nothing in it.
        ValueError: too many samples are unreadable, or the classes are not as many as the config states.
    """

    def __init__(self, config: FolderConfig) -> None:
        folder = Path(config.path)
        clips = isinstance(config, ClipFolderConfig)
        what = "clips" if clips else "pictures"
        samples = list_clips(folder) if clips else [s for s in list_samples(folder) if s.picture is not None]
        if not samples:
            raise MissingDataError(f"{config.path} holds latents and no pictures; train on them as data.name=latents")
        items, self.unreadable = _read_all(samples, config)
        refuse_too_many(self.unreadable, len(samples), config.unreadable, printable(config.path), what)
        labels = class_numbers([item.sample for item in items], config.classes, printable(config.path))
        held_out = held_out_by_content(
            [item.digest for item in items], [item.sample.split for item in items], config.held_out
        )
        self.splits: dict[str, Split] = {}
        for name, part in (("train", ~held_out), ("held-out", held_out)):
            rows = np.flatnonzero(part)
            if not len(rows):
                raise ValueError(f"{printable(config.path)}: none of the {what} is left for the split {name!r}")
            label = None if labels is None else torch.from_numpy(labels[rows])
            self.splits[name] = _split([items[row] for row in rows], label, config)

    def split(self, split: str) -> Split:
        """Return the split ``train`` or ``held-out``.

        Raises:
            ValueError: any other name.
        """
        return choose(self.splits, split)


class FolderSplit:
    """Pictures or clips of a folder.

    Read plainly, a clip shows the one stretch that all runs see; read with an :class:`AugmentationKey`, one that is a
    function of (seed, clip). Pictures do not vary.

    Args:
        items: in order.
        label: int64 (N,), or None.
        config: of the folder.
    """

    def __init__(self, items: Sequence[Item], label: torch.Tensor | None, config: FolderConfig) -> None:
        self.items = items
        self.label = label
        self.config = config
        self.frames = config.frames if isinstance(config, ClipFolderConfig) else None
        self.name = "image-folder" if self.frames is None else "clip-folder"
        self.varies = self.frames is not None
        self.resident = all(item.pixels is not None for item in items)
        shape = (config.resolution, *([] if self.frames is None else [self.frames]), config.channels, config.filter)
        images = f"{' '.join(map(str, shape))} {[item.digest for item in items]}"
        self.content_hash = sha256(f"{images} {[] if label is None else label.tolist()}")
        self.unlabelled_hash = sha256(f"{images} []")

    def __len__(self) -> int:
        return len(self.items)

    def batch(self, indices: Indices | AugmentationKey) -> Batch:
        """Return the samples at ``indices``, each as it is, or augmented under a key.

        Raises:
            DamagedDataError: a file is another one than it was at the start.
        """
        rows, seed = indices if isinstance(indices, AugmentationKey) else (indices, None)
        chosen = np.asarray(rows, dtype=np.int64)
        pixels = [self._pixels(row) for row in chosen.tolist()]
        if self.frames is not None:
            lengths = np.array([self.items[row].length for row in chosen.tolist()], dtype=np.int64)
            first = clip_starts(seed, chosen, lengths, self.frames).tolist()
            pixels = [clip[start : start + self.frames] for clip, start in zip(pixels, first, strict=True)]
        label = None if self.label is None else self.label[torch.from_numpy(chosen)]
        return Batch(from_uint8(torch.from_numpy(np.stack(pixels))), label)

    def _pixels(self, row: int) -> np.ndarray:
        item = self.items[row]
        if item.pixels is not None:
            return item.pixels
        digest, pixels = _read(item.sample, self.config)
        if digest != item.digest:
            raise DamagedDataError(f"{item.sample.name} was changed while it is in use: start the run again")
        return pixels


def _split(items: Sequence[Item], label: torch.Tensor | None, config: FolderConfig) -> Split:
    if isinstance(config, ImageFolderConfig):
        pixels = [item.pixels for item in items if item.pixels is not None]
        if len(pixels) == len(items):
            return TensorSplit("image-folder", torch.from_numpy(np.stack(pixels)), label)
    return FolderSplit(items, label, config)


def _read_all(samples: Sequence[Sample], config: FolderConfig) -> tuple[list[Item], list[str]]:
    """Return the samples that can be read, with their pixels where all of them fit into memory; and the faults."""
    items: list[Item] = []
    faults: list[str] = []
    size = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for sample, read in zip(samples, pool.map(lambda sample: _attempt(sample, config), samples), strict=True):
            if isinstance(read, str):
                faults.append(read)
                continue
            digest, pixels = read
            length = len(pixels) if pixels.ndim == 4 else 1
            size += pixels.nbytes
            if size > RESIDENT and size - pixels.nbytes <= RESIDENT:
                for item in items:
                    item.pixels = None
            items.append(Item(sample, digest, pixels if size <= RESIDENT else None, length))
    return items, faults


def _read(sample: Sample, config: FolderConfig) -> tuple[str, np.ndarray]:
    """Return the SHA-256 of a sample's content, and its pixels."""
    assert sample.picture is not None
    try:
        content = sample.picture.read()
        if isinstance(config, ImageFolderConfig):
            pixels = read_picture(content, config.resolution, config.channels, name=sample.name, filter=config.filter)
        else:
            pixels = read_clip(
                sample.picture,
                config.resolution,
                config.channels,
                fewest=config.frames,
                name=sample.name,
                filter=config.filter,
            )
    except OSError as error:
        raise UnreadablePictureError(f"{sample.name}: {error.strerror or error}") from None
    return digest_of(content), pixels


def _attempt(sample: Sample, config: FolderConfig) -> str | tuple[str, np.ndarray]:
    try:
        return _read(sample, config)
    except UnreadablePictureError as error:
        return str(error)
