"""Samples as a folder or an archive describes them: contents by their place on disk, splits, and unreadable shares."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Protocol

import numpy as np

from zigbench.spec.files import sha256

PICTURES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm",
        ".avif", ".heic", ".heif", ".jp2", ".jxl",
    }
)  # fmt: skip
"""Suffixes of picture files. One that this machine's Pillow cannot decode is reported as unreadable, not skipped."""

SPLITS = {
    "train": "train", "train2014": "train",
    "held-out": "held-out", "val": "held-out", "valid": "held-out", "validation": "held-out", "test": "held-out",
    "val2014": "held-out",
}  # fmt: skip
"""Split by the name of a folder, of a shard's beginning or in a table."""

NAMED = 5
"""Samples that an error names."""

UNREADABLE = 0.01
"""Largest share of unreadable samples that is left out rather than refused, unless another one is set."""


class MissingDataError(ValueError):
    """Data that are missing; the message names them, their source, and the command that prepares them."""


class Content(Protocol):
    """Bytes or an array that lie somewhere on disk."""

    def read(self) -> bytes | np.ndarray: ...


@dataclass(frozen=True)
class File:
    """A file."""

    path: Path

    def read(self) -> bytes:
        return self.path.read_bytes()


@dataclass(frozen=True)
class Row:
    """A row of an array on disk."""

    path: Path
    row: int

    def read(self) -> np.ndarray:
        return np.array(np.load(self.path, mmap_mode="r", allow_pickle=False)[self.row])


@dataclass(frozen=True)
class Label:
    """A class as the data state it.

    Attributes:
        name: of the class.
        number: of the class, where the data state numbers; None where they state names only.
        classes: number of classes, where the data state it.
    """

    name: str
    number: int | None = None
    classes: int | None = None


@dataclass(frozen=True)
class Sample:
    """One picture or clip as a folder describes it.

    Attributes:
        name: its place within the folder, as text that can be printed; no two samples of a folder share one.
        picture: its content; None where there is a latent only.
        label: its class, or None.
        captions: texts, or none.
        split: "train", "held-out", or None if the folder does not state it.
        features: arrays that were computed before, by key (``latent``, ``captions``).
    """

    name: str
    picture: Content | None
    label: Label | None = None
    captions: tuple[str, ...] = ()
    split: str | None = None
    features: Mapping[str, Content] = field(default_factory=dict)


def walk_files(folder: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    """Yield the files below ``folder`` that have one of these suffixes, in the order of their names.

    Links are followed within the folder. Files and folders whose names begin with "." are left out.

    Args:
        folder: to begin with.
        suffixes: lower case, with the point; files have them in any case.

    Raises:
        ValueError: a link leads out of the folder or back to a folder above it; a folder can't be read.
    """
    yield from _walk(folder, folder, suffixes, (folder.resolve(),))


def _walk(root: Path, folder: Path, suffixes: frozenset[str], above: tuple[Path, ...]) -> Iterator[Path]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted((entry for entry in listing if entry.name[0] != "."), key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(f"the folder {printable(folder)} can't be read: {error.strerror}") from None
    for entry in entries:
        path = folder / entry.name
        if entry.is_dir():
            target = above[-1] / entry.name
            if entry.is_symlink():
                target = inside(root, path.relative_to(root)).resolve()
                if target in above:
                    raise ValueError(f"{printable(path)} is a link back to a folder above it; remove the link")
            yield from _walk(root, path, suffixes, (*above, target))
        elif path.suffix.lower() in suffixes:
            if entry.is_symlink():
                inside(root, path.relative_to(root))
            yield path


def inside(folder: Path, name: str | PurePath) -> Path:
    """Return the path of ``name`` within ``folder``.

    Raises:
        ValueError: it leads out of the folder.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{printable(name)} leads out of {printable(folder)}; only files inside it are read")
    return path


def printable(name: str | PurePath) -> str:
    r"""Return a file's name as text that can be printed and stored: a byte that is not UTF-8 becomes ``\xNN``."""
    text = str(name)
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # A lone surrogate of another kind, which only JSON can hold.
        return text.encode("utf-8", "backslashreplace").decode()


def sorted_by_name(samples: Sequence[Sample], where: Path) -> list[Sample]:
    """Return the samples in the order of their names.

    Raises:
        ValueError: several have one name.
    """
    ordered = sorted(samples, key=lambda sample: sample.name)
    for one, next_one in pairwise(ordered):
        if one.name == next_one.name:
            raise ValueError(f"{printable(where)} holds several samples called {one.name}; keep one")
    return ordered


def folder_split(name: PurePath) -> tuple[str | None, tuple[str, ...]]:
    """Return the split that the first folder of a path names, or None, and the other folders of the path."""
    parts = tuple(printable(part) for part in name.parts[:-1])
    split = SPLITS.get(parts[0].lower()) if parts else None
    return split, parts[1:] if split else parts


def shard_split(name: str) -> str | None:
    """Return the split that a shard's folders or the beginning of its name state, or None."""
    path = PurePosixPath(name)
    for word in (*path.parts[:-1], path.name.partition("-")[0], path.stem):
        if word.lower() in SPLITS:
            return SPLITS[word.lower()]
    return None


def stated_split(word: Any, where: str) -> str | None:
    """Return the split that a table's word means; None for an empty one.

    Raises:
        ValueError: the word means none.
    """
    if word in (None, ""):
        return None
    if word not in SPLITS:
        raise ValueError(f"{where}: no split {word!r}; there are {', '.join(SPLITS)}")
    return SPLITS[word]


def texts_of(value: Any) -> tuple[str, ...]:
    """Return the texts of a table's cell, which holds one, a list of them, or none."""
    texts = value if isinstance(value, list) else [value]
    return tuple(text.strip() for text in texts if isinstance(text, str) and text.strip())


def digest_of(content: bytes | np.ndarray) -> str:
    """Return the SHA-256 of a picture's content, hexadecimal."""
    return sha256(content if isinstance(content, bytes) else content.tobytes())


def held_out_by_content(digests: Sequence[str], splits: Sequence[str | None], share: float) -> np.ndarray:
    """Choose the samples that are held out: as stated, or by the hash of their content where nothing is stated.

    A sample is held out where its hash, read as a number in [0, 1), lies below ``share``: adding samples moves no other
    from one split to the other, and copies stay together. Should none lie below it, the smallest hash is held out.

    Args:
        digests: SHA-256 of each content, hexadecimal.
        splits: each sample's split, or None where it is not stated.
        share: of the samples that are held out, in expectation.

    Returns:
        bool (N,).
    """
    if "held-out" in splits:
        return np.array([split == "held-out" for split in splits])
    places = np.array([int(digest[:13], 16) / 16**13 for digest in digests])
    return places < max(share, np.nextafter(places.min(), 1)) if len(places) else np.zeros(0, bool)


def refuse_too_many(unreadable: Sequence[str], count: int, share: float, where: object, what: str = "pictures") -> None:
    """Raise ValueError if more than ``share`` of ``count`` samples are unreadable; the message names some.

    Raises:
        ValueError: there are too many.
    """
    if len(unreadable) > share * count:
        some = "; ".join(unreadable[:NAMED]) + ("; …" if len(unreadable) > NAMED else "")
        raise ValueError(
            f"{where}: {len(unreadable)} of {count} {what} are unreadable, more than the allowed {share:.1%}: {some}"
        )
