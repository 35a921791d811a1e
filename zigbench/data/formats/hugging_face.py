"""Data sets of the Hugging Face library ``datasets``, from a folder that its ``save_to_disk`` wrote.

Nothing is downloaded: a machine with a network writes the folder with
``load_dataset(NAME).save_to_disk(FOLDER)``. Pictures are taken as the files they came in, so they are read like any
other; a picture that the data set only names is read where it lies within the folder and nowhere else.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from zigbench.data.formats.classes import label_of
from zigbench.data.formats.samples import (
    Label,
    MissingDataError,
    Sample,
    inside,
    printable,
    stated_split,
    texts_of,
    walk_files,
)
from zigbench.spec.files import short_sha256

DICT = "dataset_dict.json"
"""The file that lists the splits, a folder each; a single data set has :data:`STATE` in its place."""

STATE = "state.json"

LABELS = ("label", "labels", "class", "fine_label")
CAPTIONS = ("captions", "caption", "text", "sentences")


def is_saved(folder: Path) -> bool:
    """Return whether the library wrote this folder."""
    return (folder / DICT).is_file() or ((folder / STATE).is_file() and (folder / "dataset_info.json").is_file())


@dataclass(frozen=True)
class Cell:
    """A picture in a row of a saved data set.

    Attributes:
        folder: of the data set.
        stamp: of its files when they were listed.
        split, column, row: the picture's place.
    """

    folder: Path
    stamp: str
    split: str
    column: str
    row: int

    def read(self) -> bytes:
        cell = _opened(self.folder, self.stamp)[self.split][self.row][self.column]
        if cell is None:
            raise OSError(None, f"row {self.row} has no {self.column}")
        if cell["bytes"] is not None:
            content: bytes = cell["bytes"]
            return content
        return inside(self.folder, cell["path"]).read_bytes()


def saved_samples(folder: Path) -> list[Sample]:
    """Return the samples of all splits of a saved data set.

    Pictures are in the one column of the library's type Image; classes in ``label``, captions in ``caption``,
    ``captions`` or ``text``. A class of the library's type ClassLabel keeps its number.

    Raises:
        MissingDataError: the library is not installed.
        ValueError: the folder is damaged, or has no column of pictures, or several, or a split of another name.
    """
    samples = []
    stamp = _stamp(folder)
    for split, table in _opened(folder, stamp).items():
        where = f"{printable(folder)}, split {split!r}" if split else printable(folder)
        part = stated_split(split, printable(folder))
        pictures = _picture_columns(table)
        if len(pictures) != 1:
            raise ValueError(
                f"{where} has {len(pictures)} columns of pictures (type Image) among {', '.join(table.features)}; "
                "keep one"
            )
        label = next((name for name in LABELS if name in table.features), None)
        text = next((name for name in CAPTIONS if name in table.features), None)
        labels = _labels(table, label, where) if label else [None] * len(table)
        captions = table[text] if text else [None] * len(table)
        for row, (row_label, row_captions) in enumerate(zip(labels, captions, strict=True)):
            content = Cell(folder, stamp, split, pictures[0], row)
            samples.append(Sample(f"{split or 'all'}[{row:08d}]", content, row_label, texts_of(row_captions), part))
    return samples


def _stamp(folder: Path) -> str:
    """Return a hash of the names, sizes and times of the data set's files: another one where any was written anew."""
    files = [(path, path.stat()) for path in walk_files(folder, frozenset({".json", ".arrow"}))]
    return short_sha256(*(f"{printable(path)} {stat.st_size} {stat.st_mtime_ns};" for path, stat in files))


@lru_cache(maxsize=4)
def _opened(folder: Path, stamp: str) -> Mapping[str, Any]:
    """Return the data set's splits by name, "" for one without; pictures are left as the files they are.

    Args:
        folder: of the data set.
        stamp: of its files, so that a folder that is written anew is opened anew.

    Raises:
        MissingDataError: the library is not installed.
        ValueError: the folder is damaged.
    """
    try:
        library = importlib.import_module("datasets")
    except ImportError as error:
        raise MissingDataError(
            f"{printable(folder)} was written by the library datasets, which is needed to read it ({error}): "
            "pip install 'zigbench[huggingface]'"
        ) from None
    try:
        saved = library.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{printable(folder)} can't be read as a saved data set: {error}") from None
    parts = saved if isinstance(saved, dict) else {"": saved}
    return {str(name): _undecoded(library, table.with_format(None)) for name, table in parts.items()}


def _labels(table: Any, column: str, where: str) -> list[Label | None]:
    """Return each row's class; -1, as the library writes it, is none."""
    names = getattr(table.features[column], "names", None)
    if names is None:
        return [None if value == -1 else label_of(value, f"{where}, {column}") for value in table[column]]
    known = [Label(str(name), number, len(names)) for number, name in enumerate(names)]
    return [None if value in (None, -1) else known[value] for value in table[column]]


def _undecoded(library: Any, table: Any) -> Any:
    """Return the table whose pictures come as their files' bytes; nothing is copied."""
    for name in _picture_columns(table):
        table = table.cast_column(name, library.Image(decode=False))
    return table


def _picture_columns(table: Any) -> list[str]:
    return [name for name, feature in table.features.items() if type(feature).__name__ == "Image"]
