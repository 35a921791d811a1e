"""Pictures in a folder as a data set: read once to find what is unreadable, then from memory or from disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from zigbench.data.builtin.folders import ImageFolderConfig
from zigbench.data.formats.listing import list_samples
from zigbench.data.formats.pictures import UnreadablePictureError, read_picture
from zigbench.data.formats.samples import MissingDataError, Sample, digest_of
from zigbench.data.split import Batch, Indices, Split, TensorSplit, choose
from zigbench.spec.files import sha256

RESIDENT = 4 * 2**30
"""Bytes of pixels that are kept in memory; a larger set is read from disk as it is asked for."""

THREADS = 4
NAMED = 5
"""Unreadable pictures that an error names."""


class ImageFolder:
    """A folder's pictures, [-1, 1]; which are held out is a function of their content alone.

    A picture is held out where the SHA-256 of its file, read as a number in [0, 1), lies below ``config.held_out``:
    adding pictures moves no other from one split to the other, and copies of a picture stay together. Should none
    lie below it, the one with the smallest hash is held out.

    Attributes:
        unreadable: what could not be read, a message each.

    Raises:
        MissingDataError: no folder, or no pictures in it.
        ValueError: too many pictures are unreadable, or the classes are not as many as the config says.
    """

    def __init__(self, config: ImageFolderConfig) -> None:
        self.config = config
        samples = [sample for sample in list_samples(Path(config.path)) if sample.picture is not None]
        if not samples:
            raise MissingDataError(f"{config.path} holds latents and no pictures; train on them as data.name=latents")
        small = len(samples) * config.channels * config.resolution**2 <= RESIDENT
        with ThreadPoolExecutor(THREADS) as pool:
            read = list(pool.map(lambda sample: _attempt(sample, config, keep=small), samples))
        self.unreadable = [found for found in read if isinstance(found, str)]
        refuse_too_many(self.unreadable, len(samples), config.unreadable, config.path)
        good = [(s, *found) for s, found in zip(samples, read, strict=True) if not isinstance(found, str)]
        labels = class_numbers([sample for sample, _, _ in good], config.classes, config.path)
        held_out = held_out_by_content(
            [digest for _, digest, _ in good], [sample.split for sample, _, _ in good], config.held_out
        )
        self.splits: dict[str, Split] = {}
        for name, part in (("train", ~held_out), ("held-out", held_out)):
            rows = np.flatnonzero(part)
            if not len(rows):
                raise ValueError(f"{config.path}: no picture is left for the split {name!r}")
            label = None if labels is None else torch.from_numpy(labels[rows])
            if small:
                x = torch.from_numpy(np.stack([pixels for row in rows if (pixels := good[row][2]) is not None]))
                self.splits[name] = TensorSplit("image-folder", x, label)
            else:
                self.splits[name] = _OnDisk(
                    [good[row][0] for row in rows], [good[row][1] for row in rows], label, config
                )

    def split(self, split: str) -> Split:
        """``train`` or ``held-out``.

        Raises:
            ValueError: any other name.
        """
        return choose(self.splits, split)


def held_out_by_content(digests: Sequence[str], told: Sequence[str | None], share: float) -> np.ndarray:
    """Which samples are held out, bool (N,): those told to be, or by the hash of their content where none is told.

    Args:
        digests: SHA-256 of each content, hexadecimal.
        told: each sample's split, or None where it is not told.
        share: of the samples that are held out, in expectation.
    """
    if "held-out" in told:
        return np.array([split == "held-out" for split in told])
    places = np.array([int(digest[:13], 16) / 16**13 for digest in digests])
    return places < max(share, np.nextafter(places.min(), 1)) if len(places) else np.zeros(0, bool)


def refuse_too_many(unreadable: Sequence[str], count: int, share: float, where: object, what: str = "pictures") -> None:
    """Raise where more than ``share`` of ``count`` pictures are unreadable; the message names some."""
    if len(unreadable) > share * count:
        some = "; ".join(unreadable[:NAMED]) + ("; …" if len(unreadable) > NAMED else "")
        raise ValueError(
            f"{where}: {len(unreadable)} of {count} {what} are unreadable, more than the allowed {share:.1%}: {some}"
        )


def class_numbers(samples: Sequence[Sample], classes: int | None, where: object) -> np.ndarray | None:
    """Labels, int64 (N,): classes in the order of their names; None where labels are not wanted.

    Raises:
        ValueError: samples without a class, or another number of classes.
    """
    if classes is None:
        return None
    unlabelled = [sample.name for sample in samples if sample.label is None]
    if unlabelled:
        raise ValueError(f"{where}: {len(unlabelled)} pictures have no class, the first being {unlabelled[0]}")
    names = class_names(samples)
    if len(names) != classes:
        some = ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
        raise ValueError(f"{where} holds {len(names)} classes ({some}), not {classes}: set data.config.classes")
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers[str(sample.label)] for sample in samples], dtype=np.int64)


def class_names(samples: Iterable[Sample]) -> list[str]:
    """Names of the classes in the order of their numbers: as numbers where all are, otherwise as text."""
    names = {sample.label for sample in samples if sample.label is not None}
    return sorted(names, key=int) if all(name.isdecimal() for name in names) else sorted(names)


class _OnDisk:
    """A split whose pictures are read when a batch asks for them."""

    resident = False
    name = "image-folder"

    def __init__(
        self, samples: list[Sample], digests: list[str], label: torch.Tensor | None, config: ImageFolderConfig
    ) -> None:
        self.samples = samples
        self.label = label
        self.config = config
        how = f"{config.resolution} {config.channels} {config.filter}"
        labels = [] if label is None else label.tolist()
        self.content_hash = sha256(f"{how} {digests} {labels}")

    def __len__(self) -> int:
        return len(self.samples)

    def batch(self, indices: Indices) -> Batch:
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        pixels = np.stack([_read(self.samples[row], self.config)[1] for row in chosen.tolist()])
        label = None if self.label is None else self.label[chosen]
        return Batch(torch.from_numpy(pixels).float() / 127.5 - 1, label)


def _read(sample: Sample, config: ImageFolderConfig) -> tuple[str, np.ndarray]:
    assert sample.picture is not None
    try:
        content = sample.picture.read()
    except OSError as error:
        raise UnreadablePictureError(f"{sample.name}: {error.strerror}") from None
    pixels = read_picture(content, config.resolution, config.channels, name=sample.name, filter=config.filter)
    return digest_of(content), pixels


def _attempt(sample: Sample, config: ImageFolderConfig, keep: bool) -> str | tuple[str, np.ndarray | None]:
    try:
        digest, pixels = _read(sample, config)
    except UnreadablePictureError as error:
        return str(error)
    return digest, pixels if keep else None
