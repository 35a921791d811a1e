"""Samples of folders: tables, captions, arrays and class folders, each as it is stated, or refused by name."""

from __future__ import annotations

import csv
import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from zigbench.data.formats.listing import list_samples
from zigbench.data.formats.samples import Label

SEPARATED = "a cat\u2028that\x85sits"


@pytest.fixture
def pictures(tmp_path):
    """Two pictures of two classes."""
    root = tmp_path / "pictures"
    for name in ("ant/00.png", "cat/01.png", "ant/02.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), (len(name), 0, int(name[5]))).save(root / name)
    return root


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_tables_give_captions_labels_and_splits(pictures, form):
    rows = [
        {"file": "ant/00.png", "caption": "an ant, small", "label": "insect", "split": "train"},
        {"file": "cat/01.png", "caption": "a cat", "label": "mammal", "split": "test"},
        {"file": "cat/01.png", "caption": "the cat", "label": "mammal", "split": "test"},
    ]
    with open(pictures / f"table.{form}", "w", newline="") as file:
        if form == "csv":
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    ant, cat = list_samples(pictures)
    assert (ant.label.name, ant.captions, ant.split) == ("insect", ("an ant, small",), "train")
    assert (cat.label.name, cat.captions, cat.split) == ("mammal", ("a cat", "the cat"), "held-out")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_caption_may_hold_any_separator_of_lines_that_its_table_can_quote(pictures, end):
    table = pictures / "table.csv"
    table.write_bytes(f'file,caption{end}ant/00.png,"one{end}two"{end}cat/01.png,{SEPARATED}{end}'.encode())
    assert [sample.captions for sample in list_samples(pictures)] == [("one\ntwo",), (SEPARATED,)]
    table.unlink()
    line = json.dumps({"file": "cat/01.png", "caption": SEPARATED}, ensure_ascii=False)
    (pictures / "table.jsonl").write_bytes(f"{line}{end}".encode())
    assert [sample.captions for sample in list_samples(pictures)] == [(SEPARATED,)]
    (pictures / "table.jsonl").unlink()
    (pictures / "cat" / "01.txt").write_bytes(f"{SEPARATED}{end}another{end}".encode())
    assert {sample.captions for sample in list_samples(pictures)} == {(), (SEPARATED, "another")}


@pytest.mark.parametrize("name", ["table.csv", "table.jsonl", "ant/00.txt", "annotations/captions_train2014.json"])
def test_a_text_that_is_not_utf_8_is_named(pictures, name):
    path = pictures / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes("file,caption\nant/00.png,café\n".encode("latin-1"))
    with pytest.raises(ValueError, match=rf"{re.escape(str(path))}.*UTF-8"):
        list_samples(pictures)


@pytest.mark.parametrize("name", ["images.npy", "labels.npy"])
def test_an_array_that_is_cut_short_is_named(tmp_path, name):
    np.save(tmp_path / "images.npy", np.zeros((20, 8, 8, 3), np.uint8))
    np.save(tmp_path / "labels.npy", np.arange(20))
    whole = (tmp_path / name).read_bytes()
    for length in (0, 40, len(whole) - 1):
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(ValueError, match=re.escape(str(tmp_path / name))):
            list_samples(tmp_path)


def test_captions_may_lie_in_text_files_beside_the_pictures(pictures):
    (pictures / "ant" / "00.txt").write_text("one\n\n two \n")
    (pictures / "text").mkdir()
    (pictures / "text" / "02.txt").write_text("three\n")
    captions = {sample.name: sample.captions for sample in list_samples(pictures)}
    assert captions["ant/00.png"] == ("one", "two")
    assert captions["ant/02.png"] == ("three",)
    assert captions["cat/01.png"] == ()


def test_cocos_annotations_give_captions_and_splits(tmp_path):
    for part, count in (("train2014", 2), ("val2014", 1)):
        (tmp_path / part).mkdir()
        images = [{"id": n, "file_name": f"{part}_{n}.jpg"} for n in range(count)]
        for image in images:
            Image.new("RGB", (9, 9)).save(tmp_path / part / image["file_name"])
        told = [{"image_id": n, "caption": f"{part} {n} {c} "} for n in range(count) for c in range(2)]
        path = tmp_path / "annotations" / f"captions_{part}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"images": images, "annotations": told}))
    found = list_samples(tmp_path)
    assert [sample.split for sample in found] == ["train", "train", "held-out"]
    assert found[1].captions == ("train2014 1 0", "train2014 1 1")


def test_names_that_lead_out_of_the_folder_are_refused(pictures, tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    (pictures / "table.csv").write_text("file\n../secret.png\n")
    with pytest.raises(ValueError, match="leads out of"):
        list_samples(pictures)
    (pictures / "table.csv").unlink()
    (pictures / "ant" / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(ValueError, match="leads out of"):
        list_samples(pictures)


def test_a_class_that_is_a_link_is_followed_inside_the_folder_and_refused_outside(pictures, tmp_path):
    (pictures / "bee").symlink_to(pictures / "ant", target_is_directory=True)
    stored = pictures / ".store" / "wasp"
    (pictures / "ant").rename(pictures / "moved")
    stored.parent.mkdir()
    (pictures / "moved").rename(stored)
    (pictures / "bee").unlink()
    (pictures / "wasp").symlink_to(stored, target_is_directory=True)
    samples = list_samples(pictures)
    assert [(sample.name, sample.label.name) for sample in samples] == [
        ("cat/01.png", "cat"),
        ("wasp/00.png", "wasp"),
        ("wasp/02.png", "wasp"),
    ]
    (pictures / "wasp").unlink()
    stored.rename(tmp_path / "elsewhere")
    (pictures / "wasp").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(ValueError, match="wasp leads out of"):
        list_samples(pictures)


@pytest.mark.parametrize("target", [".", "..", "../cat"])
def test_a_link_back_to_a_folder_above_is_refused_and_one_beside_is_not(pictures, target):
    (pictures / "cat" / "more").symlink_to(pictures / "cat" / target, target_is_directory=True)
    with pytest.raises(ValueError, match="more is a link back to a folder above it"):
        list_samples(pictures)
    (pictures / "cat" / "more").unlink()
    (pictures / "cat" / "more").symlink_to(pictures / "ant", target_is_directory=True)
    assert "cat/more/00.png" in [sample.name for sample in list_samples(pictures)]


@pytest.mark.parametrize("name", ["train-0.tar", "images.npy", "table.csv", "cat/01.txt"])
def test_every_kind_of_file_is_refused_outside_the_folder(pictures, tmp_path, name):
    (tmp_path / "file").write_bytes(b"file\nant/00.png\n")
    (pictures / name).symlink_to(tmp_path / "file")
    with pytest.raises(ValueError, match=r"leads out of .*; only files inside it are read"):
        list_samples(pictures)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_can_not_be_read_is_named(pictures):
    (pictures / "cat").chmod(0)
    try:
        with pytest.raises(ValueError, match="cat can't be read: Permission denied"):
            list_samples(pictures)
    finally:
        (pictures / "cat").chmod(0o755)


def test_a_picture_of_any_known_suffix_is_listed_so_that_none_is_passed_over(pictures):
    for name in ("a.JFIF", "b.heic", "c.avif", "d.jxl"):
        (pictures / "cat" / name).write_bytes(b"")
    assert len(list_samples(pictures)) == 7


def test_a_name_that_is_not_utf_8_is_escaped(pictures):
    source = (pictures / "cat" / "01.png").read_bytes()
    with open(os.fsencode(pictures) + b"/cat/caf\xe9.png", "wb") as file:
        file.write(source)
    os.mkdir(os.fsencode(pictures) + b"/b\xe9b\xe9")
    with open(os.fsencode(pictures) + b"/b\xe9b\xe9/x.png", "wb") as file:
        file.write(source)
    samples = {sample.name: sample for sample in list_samples(pictures)}
    assert samples["cat/caf\\xe9.png"].picture.read() == source
    assert samples["b\\xe9b\\xe9/x.png"].label == Label("b\\xe9b\\xe9")


def test_a_table_with_spaces_around_its_names_keeps_its_labels(pictures):
    (pictures / "table.csv").write_text("file, label , split\nant/00.png, 1 , train\ncat/01.png, 0, val\n")
    assert [(sample.label, sample.split) for sample in list_samples(pictures)] == [
        (Label("1", 1), "train"),
        (Label("0", 0), "held-out"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("table.csv", "file,caption\nant/00.png,an ant, small\n", "row 1 has more cells than the header has columns"),
        ("table.csv", "file,caption,caption\nant/00.png,a,b\n", "two columns of one name among file, caption, caption"),
        ("table.csv", "file,label\nant/00.png,1\nant/00.png,2\n", "row 2: ant/00.png has another label or split"),
        ("table.csv", "file,split\nant/00.png,train\nant/00.png,val\n", "row 2: ant/00.png has another label or split"),
        ("table.jsonl", '["ant/00.png", 1]\n', "row 1 is no object with named values"),
        ("table.jsonl", '{"file": "ant/00.png", "label": 1.5}\n', "row 1: label 0 is 1.5, which is no class number"),
        ("annotations/captions_train2014.json", '{"images": [3], "annotations": []}', "is not a file of COCO captions"),
        (
            "annotations/captions_train2014.json",
            '{"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}], "annotations": []}',
            "gives several images one id",
        ),
    ],
)
def test_a_table_that_would_lose_something_is_refused(pictures, name, content, words):
    (pictures / name).parent.mkdir(exist_ok=True)
    (pictures / name).write_text(content)
    with pytest.raises(ValueError, match=words):
        list_samples(pictures)


def test_one_text_for_pictures_of_two_folders_is_refused(pictures):
    (pictures / "cat" / "01.png").rename(pictures / "cat" / "00.png")
    (pictures / "text").mkdir()
    (pictures / "text" / "00.txt").write_text("which of the two?\n")
    with pytest.raises(ValueError, match=r"text/00\.txt may be of .*ant/00\.png or of .*cat/00\.png"):
        list_samples(pictures)


def test_arrays_of_labels_keep_their_numbers(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((3, 8, 8, 3), np.uint8))
    for labels, number in ((np.array([2.0, 0.0, 2.0]), 2), (np.eye(4)[[3, 0, 3]], 3)):
        np.save(tmp_path / "labels.npy", labels)
        assert [sample.label.number for sample in list_samples(tmp_path)] == [number, 0, number]
