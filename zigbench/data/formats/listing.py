"""What a folder of pictures holds: a list of samples, each with its label, captions and split where it says so.

Understood are, looked for in this order:

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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zigbench.data.formats.hugging_face import is_saved, samples_of_saved
from zigbench.data.formats.pictures import SUFFIXES
from zigbench.data.formats.samples import SPLITS, File, MissingDataError, Row, Sample, inside, split_of_word, texts_of
from zigbench.data.formats.webdataset import samples_of_shards

TEXTS = ("text", "captions")
"""Folders of captions beside the pictures."""


def list_samples(folder: Path) -> list[Sample]:
    """Everything a folder holds, sorted by name.

    Raises:
        MissingDataError: there is no such folder, or nothing in it that is understood.
        ValueError: a table or shard that can't be read, or that names a file outside the folder.
    """
    if not folder.is_dir():
        raise MissingDataError(f"there is no folder {folder}")
    if is_saved(folder):
        return sorted(samples_of_saved(folder), key=lambda sample: sample.name)
    tables = sorted((*folder.glob("*.csv"), *folder.glob("*.jsonl")))
    if len(tables) > 1:
        raise ValueError(f"{folder} holds several tables ({', '.join(t.name for t in tables)}); keep one")
    if shards := sorted(folder.rglob("*.tar")):
        found = samples_of_shards(folder, shards)
    elif tables:
        found = list(_of_table(folder, tables[0]))
    elif annotations := sorted(folder.glob("annotations/captions_*.json")):
        found = [sample for path in annotations for sample in _of_coco(folder, path)]
    elif arrays := sorted(folder.rglob("images.npy")):
        found = [sample for path in arrays for sample in _of_array(folder, path)]
    else:
        found = list(_of_folders(folder))
    if not found:
        raise MissingDataError(
            f"{folder} holds nothing that is understood: neither pictures ({', '.join(sorted(SUFFIXES))}) nor a table "
            "(.csv, .jsonl), images.npy, shards (.tar) or a saved data set"
        )
    return sorted(found, key=lambda sample: sample.name)


def _of_table(folder: Path, table: Path) -> Iterator[Sample]:
    text = _text_of(table)
    rows: Sequence[dict[str, Any]]
    # Lines end where the formats say: a caption may hold other separators, and a quoted cell line breaks of its own.
    try:
        if table.suffix == ".csv":
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
        else:
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (csv.Error, json.JSONDecodeError) as error:
        raise ValueError(f"{table} can't be read: {error}") from None
    gathered: dict[str, Sample] = {}
    for number, row in enumerate(rows, 1):
        name = row.get("file") or row.get("file_name") or row.get("image")
        if not isinstance(name, str):
            raise ValueError(f"{table}, row {number} names no file; columns are file, caption, label, split")
        captions = texts_of(row.get("captions") or row.get("caption") or row.get("text"))
        if name in gathered:  # One row a caption is a common way to write them.
            captions = (*gathered[name].captions, *captions)
        label = row.get("label", row.get("class"))
        gathered[name] = Sample(
            name,
            File(inside(folder, name)),
            None if label in (None, "") else str(label),
            captions,
            split_of_word(row.get("split"), f"{table}, row {number}"),
        )
    yield from gathered.values()


def _of_coco(folder: Path, path: Path) -> Iterator[Sample]:
    part = path.stem.removeprefix("captions_")
    try:
        told = json.loads(_text_of(path))
        texts: dict[int, list[str]] = {image["id"]: [] for image in told["images"]}
        for annotation in told["annotations"]:
            texts[annotation["image_id"]].append(annotation["caption"].strip())
        names = {image["id"]: f"{part}/{image['file_name']}" for image in told["images"]}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a file of COCO captions: {error!r}") from None
    for number, name in names.items():
        yield Sample(name, File(inside(folder, name)), None, tuple(texts[number]), SPLITS.get(part))


def _of_array(folder: Path, path: Path) -> Iterator[Sample]:
    count = len(_array_of(path))
    beside = path.with_name("labels.npy")
    labels = _array_of(beside) if beside.exists() else None
    if labels is not None and len(labels) != count:
        raise ValueError(f"{beside} has {len(labels)} labels for {count} images")
    where = path.parent.relative_to(folder)
    split = SPLITS.get(where.parts[0]) if where.parts else None
    for row in range(count):
        label = None if labels is None else str(labels[row])
        yield Sample(f"{where / path.name}[{row:08d}]", Row(path, row), label, (), split)


def _of_folders(folder: Path) -> Iterator[Sample]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if path.suffix.lower() not in SUFFIXES or any(part.startswith(".") for part in name.parts):
            continue
        inside(folder, str(name))  # A link may lead out of it.
        parts = name.parts[:-1]
        split = SPLITS.get(parts[0].lower()) if parts else None
        if split:
            parts = parts[1:]
        label = "/".join(part for part in parts if part != "images") or None
        yield Sample(name.as_posix(), File(path), label, _beside(folder, path), split)


def _beside(folder: Path, path: Path) -> tuple[str, ...]:
    for text in (path.with_suffix(".txt"), *(folder / place / f"{path.stem}.txt" for place in TEXTS)):
        if text.is_file():
            return tuple(line.strip() for line in _text_of(text).split("\n") if line.strip())
    return ()


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8 ({error}); save it as such") from None


def _array_of(path: Path) -> np.ndarray:
    """A mapped array of one dimension or more."""
    try:
        found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} can't be read as an array ({error}): damaged, cut short, or of objects") from None
    if not found.ndim:
        raise ValueError(f"{path} holds a single number; it must have a row for each picture")
    return found
