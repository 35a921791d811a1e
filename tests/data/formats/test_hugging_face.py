"""Data sets of the library `datasets`, saved to disk on the spot and read by its own loading code."""

from __future__ import annotations

import io
import json
import pickle
import sys

import numpy as np
import pytest
from PIL import Image

from zigbench.data.builtin.folders import ImageFolderConfig
from zigbench.data.folders import Folder
from zigbench.data.formats.listing import list_samples
from zigbench.data.formats.samples import Label, MissingDataError
from zigbench.data.prepare import PrepareOptions, prepare_data_set

datasets = pytest.importorskip("datasets", reason="needs the extra `huggingface`")

COUNT = 24
NAMES = ["zebra", "ant", "cat"]


def pixels(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (10, 12, 3), dtype=np.uint8)


def table(first: int, count: int, **columns):
    rows = range(first, first + count)
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)}
    values = {"image": [Image.fromarray(pixels(row)) for row in rows], "label": [row % 3 for row in rows], **columns}
    for name, column in columns.items():
        several = isinstance(column[0], list)
        features[name] = datasets.Sequence(datasets.Value("string")) if several else datasets.Value("string")
    return datasets.Dataset.from_dict(values, features=datasets.Features(features))


def test_pictures_labels_and_captions_are_those_that_were_saved(tmp_path):
    captions = [[f"picture {row}", f" number {row} "] for row in range(COUNT)]
    table(0, COUNT, captions=captions).save_to_disk(tmp_path / "saved")
    samples = list_samples(tmp_path / "saved")
    assert len(samples) == COUNT
    for row, sample in enumerate(samples):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(sample.picture.read()))), pixels(row))
        assert (sample.label, sample.split) == (Label(NAMES[row % 3], row % 3, 3), None)
        assert sample.captions == (f"picture {row}", f"number {row}")


def test_splits_are_kept_and_pictures_become_a_data_set(tmp_path):
    parts = {"train": table(0, COUNT), "validation": table(COUNT, 6)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    data = Folder(ImageFolderConfig(path=str(tmp_path / "saved"), resolution=8, classes=3))
    train, held_out = data.split("train"), data.split("held-out")
    assert (len(train), len(held_out)) == (COUNT, 6)
    assert train.batch(range(COUNT)).label.tolist() == [row % 3 for row in range(COUNT)]


def test_one_caption_a_row_and_no_label(tmp_path):
    saved = table(0, 3, text=["a", "b", "c"]).remove_columns("label")
    saved.save_to_disk(tmp_path / "saved")
    assert [(s.captions, s.label) for s in list_samples(tmp_path / "saved")] == [
        (("a",), None),
        (("b",), None),
        (("c",), None),
    ]


def test_a_picture_that_is_only_named_is_read_inside_the_folder_alone(tmp_path):
    Image.fromarray(pixels(0)).save(tmp_path / "outside.png")
    named = datasets.Dataset.from_dict(
        {"image": [{"path": str(tmp_path / "outside.png"), "bytes": None}]},
        features=datasets.Features({"image": datasets.Image(decode=False)}),
    )
    folder = tmp_path / "saved"
    named.save_to_disk(folder)
    # The library embeds such files; a data set written by hand need not.
    writer = named.data.table
    import pyarrow as pa

    with pa.OSFile(str(next(folder.glob("*.arrow"))), "wb") as file, pa.ipc.new_stream(file, writer.schema) as stream:
        stream.write_table(writer)
    (sample,) = list_samples(folder)
    with pytest.raises(ValueError, match="leads out of"):
        sample.picture.read()


def test_what_is_damaged_or_without_pictures_is_refused(tmp_path):
    datasets.Dataset.from_dict({"number": [1, 2]}).save_to_disk(tmp_path / "numbers")
    with pytest.raises(ValueError, match=r"0 columns of pictures .* among number"):
        list_samples(tmp_path / "numbers")
    datasets.DatasetDict({"extra": table(0, 2)}).save_to_disk(tmp_path / "extra")
    with pytest.raises(ValueError, match="no split 'extra'"):
        list_samples(tmp_path / "extra")
    table(0, 2).save_to_disk(tmp_path / "cut")
    path = next((tmp_path / "cut").glob("*.arrow"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="can't be read as a saved data set"):
        list_samples(tmp_path / "cut")


def test_latents_are_prepared_from_a_saved_data_set(vae, tmp_path):
    table(0, COUNT).save_to_disk(tmp_path / "saved")
    before = sorted((tmp_path / "saved").iterdir())
    choices = PrepareOptions(resolution=16, to=tmp_path / "latents", vae=str(vae), classes=3)
    out, summary = prepare_data_set("latents", tmp_path / "saved", choices)
    assert sum(summary.counts.values()) == COUNT
    assert json.loads((out / "index.json").read_text())["classes"] == NAMES
    assert sorted((tmp_path / "saved").iterdir()) == before


def test_samples_can_be_sent_to_other_processes(tmp_path):
    table(0, 2).save_to_disk(tmp_path / "saved")
    samples = list_samples(tmp_path / "saved")
    sent = pickle.dumps(samples)
    assert len(sent) < 2_000
    assert [sample.picture.read() for sample in pickle.loads(sent)] == [sample.picture.read() for sample in samples]


def test_without_the_library_the_error_says_what_to_install(tmp_path, monkeypatch):
    table(0, 2).save_to_disk(tmp_path / "saved")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDataError, match=r"pip install 'zigbench\[huggingface\]'"):
        list_samples(tmp_path / "saved")
