"""Class numbers: stated ones are kept, names are numbered in one order, contradictions are refused."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zigbench.data.formats.classes import class_names, class_numbers, label_of, labels_of, number_texts
from zigbench.data.formats.samples import Label, Sample


def samples(*labels: Label | None) -> list[Sample]:
    return [Sample(f"{row}.png", None, label) for row, label in enumerate(labels)]


NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=20)


@given(NUMBERS, st.sampled_from(["int64", "uint8", "float32", "float64", "column", "one-hot", "one-hot float"]))
def test_numbers_are_kept_however_an_array_states_them(numbers, form):
    array = np.array(numbers)
    if form == "column":
        array = array[:, None]
    elif form.startswith("one-hot"):
        array = np.eye(31, dtype=np.float32 if "float" in form else np.int64)[array]
    else:
        array = array.astype(form)
    stated = samples(*labels_of(array, "labels.npy"))
    classes = 31 if form.startswith("one-hot") else max(numbers) + 1
    assert class_numbers(stated, classes, "here").tolist() == numbers


@given(NUMBERS)
def test_numbers_are_kept_however_a_text_states_them(numbers):
    for write in (str, "{}.0".format):
        stated = number_texts(samples(*(Label(write(number)) for number in numbers)))
        assert class_numbers(stated, max(numbers) + 1, "here").tolist() == numbers


def test_a_class_without_samples_keeps_its_place():
    stated = samples(label_of(0, "x"), label_of(3, "x"))
    assert class_names(stated) == ["0", "1", "2", "3"]
    assert class_numbers(stated, 4, "here").tolist() == [0, 3]
    with pytest.raises(ValueError, match=r"4 classes \(their numbers, which count from 0, run to 3\), not 2"):
        class_numbers(stated, 2, "here")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0, 1, -1], "label 2 is -1, which is no class number"),
        ([0.0, 1.5], "label 1 is 1.5, which is no class number"),
        ([0.0, float("nan")], "label 1 is nan, which is no class number"),
        ([0.0, float("inf")], "label 1 is inf, which is no class number"),
        ([[1, 0], [1, 1]], r"label 1 is \[1, 1\], which is not one-hot"),
        ([[1, 0], [0, 0]], r"label 1 is \[0, 0\], which is not one-hot"),
        ([[0.5, 0.5]], r"label 0 is \[0.5, 0.5\], which is not one-hot"),
        ([[[1]]], "labels are int64 of shape"),
        ([1j], "labels are complex128"),
    ],
)
def test_numbers_that_are_no_classes_are_refused(values, words):
    with pytest.raises(ValueError, match=f"labels.npy: {words}"):
        labels_of(np.array(values), "labels.npy")


def test_typed_values_state_names_numbers_and_one_hot_rows():
    assert [label_of(value, "row 1") for value in (None, "", "3", 3, 3.0, [0, 1, 0], True)] == [
        None,
        None,
        Label("3"),
        Label("3", 3),
        Label("3", 3),
        Label("1", 1, 3),
        Label("True"),
    ]
    with pytest.raises(ValueError, match=r"row 1: label 0 is 2\.5"):
        label_of(2.5, "row 1")


def test_names_are_numbered_in_one_order_in_every_process():
    code = (
        "from zigbench.data.formats.classes import class_names\n"
        "from zigbench.data.formats.samples import Label, Sample\n"
        "print(class_names([Sample('', None, Label(name)) for name in ('1', '01', '001', '2', '10')]))\n"
    )
    orders = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            text=True,
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert orders == {"['001', '01', '1', '2', '10']\n"}
    assert class_names(samples(Label("b"), Label("10"), Label("9"))) == ["10", "9", "b"]


def test_text_that_is_not_all_numbers_names_classes():
    for names in (("1", "x"), ("1", "01"), ("-1", "2"), ("1.5", "2")):
        stated = samples(*map(Label, names))
        assert number_texts(stated) == stated


def test_contradictions_are_refused():
    for labels, words in (
        ((Label("a", 0), Label("b", 0)), "the class 0 has two names, 'a' and 'b'"),
        ((Label("a", 0), Label("a", 1)), r"the class 'a' has several numbers \(0, 1\)"),
        ((Label("a", 0), Label("b")), r"some labels are class numbers and others names \('b'\)"),
    ):
        with pytest.raises(ValueError, match=words):
            class_numbers(samples(*labels), 2, "here")
    with pytest.raises(ValueError, match=r"1 samples have no class, the first being 1\.png"):
        class_numbers(samples(Label("a"), None), 1, "here")
