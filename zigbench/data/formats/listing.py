"""The samples of a folder of pictures, each with its label, captions and split where the folder states them.

A folder is read as the first of these that fits:

- a data set that the library ``datasets`` saved to disk: a column of pictures, and where there are such, classes and
  captions (see :mod:`zigbench.data.formats.hugging_face`);
- shards: ``*.tar`` with the pictures, latents, captions and classes of the webdataset convention;
- a table: one ``*.csv`` or ``*.jsonl`` whose rows name a ``file`` and may have ``caption`` or ``captions``,
  ``label`` and ``split``;
- the annotations of MS-COCO: ``annotations/captions_train2014.json`` and its pictures in ``train2014``;
- arrays: ``images.npy``, uint8 (N, H, W, C), and where there are labels ``labels.npy``;
- pictures in folders: the folder of a picture is its class, ``NAME.txt`` beside it or in ``text`` its captions,
  one a line.

A folder of the last two may have parts ``train`` and ``held-out`` (or ``val``, ``validation``, ``test``).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zigbench.data.formats.classes import label_of, labels_of, number_texts
from zigbench.data.formats.hugging_face import is_saved, saved_samples
from zigbench.data.formats.samples import (
    PICTURES,
    SPLITS,
    File,
    Label,
    MissingDataError,
    Row,
    Sample,
    folder_split,
    inside,
    printable,
    sorted_by_name,
    stated_split,
    texts_of,
    walk_files,
)
from zigbench.data.formats.webdataset import shard_samples

TEXTS = ("text", "captions")
"""Folders of captions beside the pictures."""

ARRAY = "images.npy"


def list_samples(folder: Path) -> list[Sample]:
    """Return every sample of a folder, sorted by name.

    Raises:
        MissingDataError: there is no such folder, or nothing in it of a known format.
        ValueError: a table or shard that can't be read, a link or name that leads out of the folder, or several
            samples of one name.
    """
    if not folder.is_dir():
        raise MissingDataError(f"there is no folder {printable(folder)}")
    samples = sorted_by_name(_samples(folder), folder)
    if not samples:
        raise MissingDataError(
            f"{printable(folder)} holds nothing of a known format: neither pictures ({', '.join(sorted(PICTURES))}) "
            "nor a table (.csv, .jsonl), images.npy, shards (.tar) or a saved data set"
        )
    return samples


def _samples(folder: Path) -> list[Sample]:
    if is_saved(folder):
        return saved_samples(folder)
    if shards := list(walk_files(folder, frozenset({".tar"}))):
        return number_texts(shard_samples(folder, shards))
    tables = sorted((*folder.glob("*.csv"), *folder.glob("*.jsonl")))
    if len(tables) > 1:
        raise ValueError(f"{printable(folder)} holds several tables ({', '.join(t.name for t in tables)}); keep one")
    if tables:
        samples = _table_samples(folder, inside(folder, tables[0].name))
        return number_texts(samples) if tables[0].suffix == ".csv" else samples
    if annotations := sorted(folder.glob("annotations/captions_*.json")):
        return [sample for path in annotations for sample in _coco_samples(folder, path)]
    files = list(walk_files(folder, PICTURES | {".npy"}))
    if arrays := [path for path in files if path.name == ARRAY]:
        return [sample for path in arrays for sample in _array_samples(folder, path)]
    return list(_folder_samples(folder, [path for path in files if path.suffix.lower() in PICTURES]))


def _table_samples(folder: Path, table: Path) -> list[Sample]:
    samples: dict[str, Sample] = {}
    for number, row in enumerate(_rows(table), 1):
        where = f"{printable(table)}, row {number}"
        if not isinstance(row, dict):
            raise ValueError(f'{where} is no object with named values: write {{"file": …, "label": …}}')
        name = row.get("file") or row.get("file_name") or row.get("image")
        if not isinstance(name, str):
            raise ValueError(f"{where} names no file; columns are file, caption, label, split")
        captions = texts_of(row.get("captions") or row.get("caption") or row.get("text"))
        label = label_of(row.get("label", row.get("class")), where)
        split = stated_split(row.get("split"), where)
        if name in samples:  # One row a caption is a common way to write them.
            former = samples[name]
            if (former.label, former.split) != (label, split):
                raise ValueError(f"{where}: {printable(name)} has another label or split in an earlier row; state one")
            captions = (*former.captions, *captions)
        samples[name] = Sample(printable(name), File(inside(folder, name)), label, captions, split)
    return list(samples.values())


def _rows(table: Path) -> list[Any]:
    """Return the rows of a table; a CSV's columns are called without the spaces around their names."""
    text = _text_of(table)
    # Lines end where the formats say: a caption may hold other separators, and a quoted cell line breaks of its own.
    try:
        if table.suffix != ".csv":
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
        rows = list(reader)
    except (csv.Error, json.JSONDecodeError) as error:
        raise ValueError(f"{printable(table)} can't be read: {error}") from None
    columns = [column.strip() for column in reader.fieldnames or ()]
    if len(set(columns)) < len(columns):
        raise ValueError(f"{printable(table)} has two columns of one name among {', '.join(columns)}; keep one")
    for number, row in enumerate(rows, 1):
        if None in row:
            raise ValueError(f"{printable(table)}, row {number} has more cells than the header has columns")
    return [{key.strip(): _stripped(key, value) for key, value in row.items()} for row in rows]


def _stripped(key: str, value: str | None) -> str | None:
    """Return a cell without the spaces around it, where they can mean nothing; a file's name may hold some."""
    return value.strip() if value and key.strip() in ("label", "class", "split") else value


def _coco_samples(folder: Path, path: Path) -> Iterator[Sample]:
    part = path.stem.removeprefix("captions_")
    try:
        content = json.loads(_text_of(path))
        texts: dict[int, list[str]] = {image["id"]: [] for image in content["images"]}
        for annotation in content["annotations"]:
            texts[annotation["image_id"]].append(annotation["caption"].strip())
        names = {image["id"]: f"{part}/{image['file_name']}" for image in content["images"]}
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{printable(path)} is not a file of COCO captions: {error!r}") from None
    if len(names) < len(content["images"]):
        raise ValueError(f"{printable(path)} gives several images one id; each needs its own")
    for number, name in names.items():
        yield Sample(printable(name), File(inside(folder, name)), None, tuple(texts[number]), SPLITS.get(part))


def _array_samples(folder: Path, path: Path) -> Iterator[Sample]:
    count = len(_array_of(path))
    beside = path.with_name("labels.npy")
    labels: list[Label | None] = [None] * count
    if beside.exists():
        stated = _array_of(inside(folder, beside.relative_to(folder)))
        if len(stated) != count:
            raise ValueError(f"{printable(beside)} has {len(stated)} labels for {count} images")
        labels = list(labels_of(stated, printable(beside)))
    name = path.relative_to(folder)
    split, _ = folder_split(name)
    for row, label in enumerate(labels):
        yield Sample(f"{printable(name)}[{row:08d}]", Row(path, row), label, (), split)


def _folder_samples(folder: Path, paths: Iterable[Path]) -> Iterator[Sample]:
    captioned: dict[Path, Path] = {}
    for path in paths:
        name = path.relative_to(folder)
        split, parts = folder_split(name)
        label = "/".join(part for part in parts if part != "images")
        text = _beside(folder, path)
        if text is not None and captioned.setdefault(text, path).parent != path.parent:
            raise ValueError(
                f"{printable(text)} may be of {printable(captioned[text])} or of {printable(path)}: put it beside one"
            )
        captions = () if text is None else tuple(line.strip() for line in _text_of(text).split("\n") if line.strip())
        yield Sample(printable(name.as_posix()), File(path), Label(label) if label else None, captions, split)


def _beside(folder: Path, path: Path) -> Path | None:
    """Return the file of a picture's captions; None where there is none."""
    for text in (path.with_suffix(".txt"), *(folder / place / f"{path.stem}.txt" for place in TEXTS)):
        if text.is_file():
            return inside(folder, text.relative_to(folder))
    return None


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{printable(path)} is not text in UTF-8 ({error}); save it as such") from None


def _array_of(path: Path) -> np.ndarray:
    """Return a mapped array of one dimension or more."""
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{printable(path)} can't be read as an array ({error}): damaged, cut short, or of objects"
        ) from None
    if not array.ndim:
        raise ValueError(f"{printable(path)} holds a single number; it must have a row for each picture")
    return array
