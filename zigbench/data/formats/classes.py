"""Classes and their numbers: stated numbers are kept, names are numbered in order, contradictions are errors.

A number is identity: a released network knows class 2 and not its name. Labels that state numbers (integers, whole
floats, one-hot rows, Hugging Face's ClassLabel, digits in a CSV table or a shard) keep them. Labels that are names
(folders, words) are numbered in the order of the names, as numbers where all of them are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from zigbench.data.formats.samples import NAMED, Label, Sample

NUMBER = re.compile(r"(0|[1-9]\d*)(\.0+)?", re.ASCII)
"""A class number as text, or as a table's writer leaves it in a column with gaps ("3.0")."""

LARGEST = 2**31
"""Bound of a class number."""


def label_of(value: Any, where: str) -> Label | None:
    """Return the label that a typed value states; None for None and "".

    Args:
        value: a name, a number, or a one-hot list.
        where: the value's place, for an error.

    Raises:
        ValueError: a number that is no class's, or a list that is not one-hot.
    """
    if value is None or isinstance(value, str):
        return Label(value) if value else None
    if isinstance(value, bool):
        return Label(str(value))
    return labels_of(np.asarray(value)[None], where)[0]


def labels_of(values: np.ndarray, where: str) -> list[Label]:
    """Return the labels that the rows of an array state.

    Args:
        values: names or whole numbers (N,) or (N, 1), or one-hot rows (N, classes).
        where: the array's place, for an error.

    Raises:
        ValueError: a number that is no class's, a row that is not one-hot, or another shape.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.dtype.kind in "US" and values.ndim == 1:
        return [Label(value.decode() if isinstance(value, bytes) else str(value)) for value in values.tolist()]
    if values.dtype.kind not in "biuf" or values.ndim not in (1, 2):
        raise ValueError(
            f"{where}: labels are {values.dtype} of shape {values.shape}; they must be class numbers or names (N,), or "
            "one-hot rows (N, classes)"
        )
    if values.dtype.kind == "b":
        values = values.astype(np.int64)
    classes = None
    if values.ndim == 2:
        classes = values.shape[1]
        wrong = np.flatnonzero(~(np.isin(values, (0, 1)).all(1) & (values.sum(1) == 1)))
        if len(wrong):
            raise ValueError(f"{where}: label {wrong[0]} is {values[wrong[0]].tolist()}, which is not one-hot")
        values = values.argmax(1)
    wrong = np.flatnonzero(~((values >= 0) & (values < LARGEST) & (values == np.floor(values))))
    if len(wrong):
        raise ValueError(f"{where}: label {wrong[0]} is {values[wrong[0]]}, which is no class number (0, 1, 2, …)")
    return [Label(str(number), number, classes) for number in values.astype(np.int64).tolist()]


def number_texts(samples: Sequence[Sample]) -> list[Sample]:
    """Return samples whose labels come from text without types, as numbers where every label is one."""
    names = {sample.label.name for sample in samples if sample.label is not None}
    if not names or not all(NUMBER.fullmatch(name) for name in names):
        return list(samples)
    numbers = {name: int(name.partition(".")[0]) for name in names}
    labels = {name: Label(str(number), number) for name, number in numbers.items()}
    return [sample if sample.label is None else replace(sample, label=labels[sample.label.name]) for sample in samples]


def class_names(samples: Iterable[Sample]) -> list[str]:
    """Return the names of the classes in the order of their numbers.

    Raises:
        ValueError: some labels state numbers and others do not, one number has several names, or one name several
            numbers.
    """
    labels = {sample.label for sample in samples if sample.label is not None}
    named = sorted(label.name for label in labels if label.number is None)
    if not labels or len(named) == len(labels):
        # Names that are equal as numbers ("1" and "01") are in the order of their texts.
        return sorted(named, key=lambda name: (int(name), name)) if all(map(str.isdecimal, named)) else named
    if named:
        raise ValueError(
            f"some labels are class numbers and others names ({named[0]!r}): state numbers or names for all"
        )
    return _numbered(labels)


def class_numbers(samples: Sequence[Sample], classes: int | None, where: object) -> np.ndarray | None:
    """Return the class numbers of samples, int64 (N,); None where labels are not wanted.

    Args:
        samples: to number.
        classes: number of classes; None without labels.
        where: the samples' place, for an error.

    Raises:
        ValueError: samples without a class, contradictory labels, or another number of classes.
    """
    if classes is None:
        return None
    unlabelled = [sample.name for sample in samples if sample.label is None]
    if unlabelled:
        raise ValueError(f"{where}: {len(unlabelled)} samples have no class, the first being {unlabelled[0]}")
    names = class_names(samples)
    if len(names) != classes:
        raise ValueError(f"{where} holds {describe(samples)}, not {classes}: set data.config.classes")
    places = {name: number for number, name in enumerate(names)}
    labels = [sample.label for sample in samples if sample.label is not None]
    numbers = [places[label.name] if label.number is None else label.number for label in labels]
    return np.array(numbers, dtype=np.int64)


def describe(samples: Sequence[Sample]) -> str:
    """Describe the classes of samples: how many, and some of them."""
    names = class_names(samples)
    if any(sample.label is not None and sample.label.number is not None for sample in samples):
        return f"{len(names)} classes (their numbers, which count from 0, run to {len(names) - 1})"
    some = ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
    return f"{len(names)} classes ({some})"


def _numbered(labels: set[Label]) -> list[str]:
    """Return the names of classes whose labels state numbers; a class without samples is called by its number."""
    count = max(max(label.number or 0 for label in labels) + 1, max(label.classes or 0 for label in labels))
    names: dict[int, str] = {}
    for label in sorted(labels, key=lambda label: (label.number or 0, label.name)):
        number = label.number or 0
        if names.setdefault(number, label.name) != label.name:
            raise ValueError(f"the class {number} has two names, {names[number]!r} and {label.name!r}: state one")
    if len(set(names.values())) < len(names):
        twice = next(name for name in names.values() if list(names.values()).count(name) > 1)
        numbers = [number for number, name in names.items() if name == twice]
        raise ValueError(f"the class {twice!r} has several numbers ({', '.join(map(str, numbers))}): state one")
    return [names.get(number, str(number)) for number in range(count)]
