"""A picture as a folder or an archive describes it, and the words for its split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np

from zigbench.spec.files import sha256

SPLITS = {
    "train": "train", "train2014": "train",
    "held-out": "held-out", "val": "held-out", "valid": "held-out", "validation": "held-out", "test": "held-out",
    "val2014": "held-out",
}  # fmt: skip
"""Split by the name of a folder, of a shard's beginning or in a table."""


class MissingDataError(ValueError):
    """Data that are not here; the message says what, where to get it, and which command prepares it."""


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
class Sample:
    """One picture as a folder describes it.

    Attributes:
        name: where it lies within the folder, for people.
        picture: its content; None where there is a latent only.
        label: the name of its class, or None.
        captions: texts, or none.
        split: "train", "held-out", or None where the folder does not say.
        features: arrays that were computed before, by key (``latent``, ``captions``).
    """

    name: str
    picture: Content | None
    label: str | None = None
    captions: tuple[str, ...] = ()
    split: str | None = None
    features: Mapping[str, Content] = field(default_factory=dict)


def split_of_name(name: str) -> str | None:
    """The split that a path's parts or its name's beginning tell, or None."""
    path = PurePosixPath(name)
    for word in (*path.parts[:-1], path.name.partition("-")[0], path.stem):
        if word.lower() in SPLITS:
            return SPLITS[word.lower()]
    return None


def split_of_word(word: Any, where: str) -> str | None:
    """The split that a table's word means; None for an empty one.

    Raises:
        ValueError: the word means none.
    """
    if word in (None, ""):
        return None
    if word not in SPLITS:
        raise ValueError(f"{where}: no split {word!r}; there are {', '.join(SPLITS)}")
    return SPLITS[word]


def inside(folder: Path, name: str) -> Path:
    """The path of ``name`` within ``folder``.

    Raises:
        ValueError: it leads out of the folder.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name!r} leads out of {folder}; only files inside it are read")
    return path


def texts_of(value: Any) -> tuple[str, ...]:
    """The texts of a table's cell, which holds one, a list of them, or none."""
    texts = value if isinstance(value, list) else [value]
    return tuple(text.strip() for text in texts if isinstance(text, str) and text.strip())


def digest_of(content: bytes | np.ndarray) -> str:
    """SHA-256 of a picture's content, hexadecimal."""
    return sha256(content if isinstance(content, bytes) else content.tobytes())
