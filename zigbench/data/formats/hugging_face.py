"""Data sets of the Hugging Face library ``datasets``, from a folder that its ``save_to_disk`` wrote.

Nothing is downloaded: who has a network writes the folder with ``load_dataset(NAME).save_to_disk(FOLDER)``. Pictures
are taken as the files they came in, so they are read like any other; a picture that the data set only names is read
where it lies within the folder and nowhere else.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from zigbench.data.formats.samples import MissingDataError, Sample, inside, split_of_word, texts_of

DICT = "dataset_dict.json"
"""Says which splits there are, a folder each; a single data set has :data:`STATE` in its place."""

STATE = "state.json"

LABELS = ("label", "labels", "class", "fine_label")
CAPTIONS = ("captions", "caption", "text", "sentences")


def is_saved(folder: Path) -> bool:
    """Whether the library wrote this folder."""
    return (folder / DICT).is_file() or ((folder / STATE).is_file() and (folder / "dataset_info.json").is_file())


@dataclass(frozen=True)
class Cell:
    """A picture in a row of a saved data set."""

    folder: Path
    split: str
    column: str
    row: int

    def read(self) -> bytes:
        found = _opened(self.folder)[self.split][self.row][self.column]
        if found is None:
            raise OSError(None, f"row {self.row} has no {self.column}")
        if found["bytes"] is not None:
            content: bytes = found["bytes"]
            return content
        return inside(self.folder, found["path"]).read_bytes()


def samples_of_saved(folder: Path) -> list[Sample]:
    """The samples of all splits of a saved data set.

    Pictures are in the one column of the library's type Image; classes in ``label``, captions in ``caption``,
    ``captions`` or ``text``.

    Raises:
        MissingDataError: the library is not installed.
        ValueError: the folder is damaged, or has no column of pictures, or several, or a split of another name.
    """
    samples = []
    for split, table in _opened(folder).items():
        where = f"{folder}, split {split!r}" if split else str(folder)
        part = split_of_word(split, str(folder))
        pictures = _pictures(table)
        if len(pictures) != 1:
            raise ValueError(
                f"{where} has {len(pictures)} columns of pictures (type Image) among {', '.join(table.features)}; "
                "keep one"
            )
        label = next((name for name in LABELS if name in table.features), None)
        text = next((name for name in CAPTIONS if name in table.features), None)
        labels = _labels(table, label) if label else [None] * len(table)
        captions = table[text] if text else [None] * len(table)
        for row, (named, said) in enumerate(zip(labels, captions, strict=True)):
            content = Cell(folder, split, pictures[0], row)
            samples.append(Sample(f"{split or 'all'}[{row:08d}]", content, named, texts_of(said), part))
    return samples


def _labels(table: Any, column: str) -> list[str | None]:
    """Each row's class by name; -1, as the library writes it, is none."""
    names = getattr(table.features[column], "names", None)
    return [None if value in (None, -1) else str(names[value]) if names else str(value) for value in table[column]]


@lru_cache(maxsize=4)
def _opened(folder: Path) -> Mapping[str, Any]:
    """The data set's splits by name, "" for one without; pictures are left as the files they are."""
    try:
        library = importlib.import_module("datasets")
    except ImportError as error:
        raise MissingDataError(
            f"{folder} was written by the library datasets, which is needed to read it ({error}): "
            "pip install 'zigbench[huggingface]'"
        ) from None
    try:
        found = library.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder} can't be read as a saved data set: {error}") from None
    parts = found if isinstance(found, dict) else {"": found}
    return {str(name): _undecoded(library, table.with_format(None)) for name, table in parts.items()}


def _undecoded(library: Any, table: Any) -> Any:
    """The table whose pictures come as their files' bytes; nothing is copied."""
    for name in _pictures(table):
        table = table.cast_column(name, library.Image(decode=False))
    return table


def _pictures(table: Any) -> list[str]:
    return [name for name, feature in table.features.items() if type(feature).__name__ == "Image"]
