"""Folders of pictures as data sets: classes, tables, arrays, a split by content, and bad files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from zigbench.data import folders
from zigbench.data.builtin.folders import ImageFolderConfig
from zigbench.data.folders import Folder
from zigbench.data.formats.samples import MissingDataError, digest_of, held_out_by_content

COUNT = 24


@pytest.fixture
def pictures(tmp_path):
    """Noise in two class folders, each picture of its own."""
    generator = np.random.default_rng(1)
    root = tmp_path / "pictures"
    for number in range(COUNT):
        path = root / ("cat" if number % 2 else "ant") / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(path)
    return root


def config(path, **changes):
    return ImageFolderConfig(path=str(path), resolution=8, **changes)


def everything(data):
    """Pixels of both splits as sets of bytes."""
    return {
        name: {x.numpy().tobytes() for x in data.split(name).batch(range(len(data.split(name)))).x}
        for name in ("train", "held-out")
    }


def test_classes_are_numbered_by_name_and_pixels_lie_in_range(pictures):
    data = Folder(config(pictures, classes=2, held_out=0.3))
    total = 0
    for name in ("train", "held-out"):
        split = data.split(name)
        batch = split.batch(range(len(split)))
        assert batch.x.shape == (len(split), *config(pictures).geometry(1).sample_shape)
        assert batch.x.abs().max() <= 1
        total += len(split)
        assert set(batch.label.tolist()) <= {0, 1}
    assert total == COUNT
    assert not everything(data)["train"] & everything(data)["held-out"]


def test_adding_pictures_moves_no_other_between_the_splits(pictures):
    before = everything(Folder(config(pictures, held_out=0.3)))
    for number in range(6):
        Image.new("RGB", (9, 9), (number, 40, 2)).save(pictures / "ant" / f"new-{number}.png")
    (pictures / "ant" / "00.png").rename(pictures / "cat" / "aa.png")
    after = everything(Folder(config(pictures, held_out=0.3)))
    assert before["train"] <= after["train"]
    assert before["held-out"] <= after["held-out"]


def test_copies_of_a_picture_stay_on_one_side():
    digests = [f"{value:064x}" for value in (1 << 200, 1 << 255, 1 << 255, 1 << 200)]
    assert held_out_by_content(digests, [None] * 4, 0.1).tolist() == [True, False, False, True]


def test_about_the_share_is_held_out_and_never_nothing():
    digests = [digest_of(bytes([a, b])) for a in range(40) for b in range(100)]
    assert held_out_by_content(digests, [None] * 4000, 0.1).mean() == pytest.approx(0.1, abs=0.015)
    assert held_out_by_content(digests[:3], [None] * 3, 1e-9).sum() == 1


def test_a_folder_with_parts_keeps_them(pictures):
    (pictures / "train").mkdir()
    (pictures / "val").mkdir()
    for number, path in enumerate(sorted(pictures.rglob("*.png"))):
        path.rename(pictures / ("val" if number < 5 else "train") / path.name)
    data = Folder(config(pictures))
    assert (len(data.split("train")), len(data.split("held-out"))) == (COUNT - 5, 5)


def test_arrays_are_read_as_the_pictures_they_are(tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", np.arange(20) % 3)
    data = Folder(config(tmp_path, classes=3, held_out=0.2))
    found = everything(data)["train"] | everything(data)["held-out"]
    wanted = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    assert found == {x.numpy().tobytes() for x in wanted}


def test_unreadable_pictures_are_named_and_counted_and_too_many_refused(pictures):
    whole = (pictures / "ant" / "02.png").read_bytes()
    (pictures / "ant" / "02.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "cat" / "03.png").write_bytes(b"")
    data = Folder(config(pictures, unreadable=0.1))
    assert sum(len(data.split(name)) for name in ("train", "held-out")) == COUNT - 2
    assert sorted(message.partition(":")[0] for message in data.unreadable) == ["ant/02.png", "cat/03.png"]
    assert "cat/03.png: not a picture of a known format" in data.unreadable
    with pytest.raises(ValueError, match=r"2 of 24 pictures are unreadable, more than the allowed 1\.0%: ant/02\.png"):
        Folder(config(pictures))


def test_from_disk_the_same_batches_come_as_from_memory(pictures, monkeypatch):
    resident = Folder(config(pictures, classes=2)).split("train")
    monkeypatch.setattr(folders, "RESIDENT", 0)
    lazy = Folder(config(pictures, classes=2)).split("train")
    assert (resident.resident, lazy.resident) == (True, False)
    chosen = [3, 0, 5]
    assert torch.equal(lazy.batch(chosen).x, resident.batch(chosen).x)
    assert torch.equal(lazy.batch(chosen).label, resident.batch(chosen).label)
    bare = Folder(config(pictures)).split("train")
    assert lazy.content_hash != bare.content_hash
    assert lazy.unlabelled_hash == bare.unlabelled_hash == bare.content_hash


def test_wrong_classes_and_empty_places_say_what_to_do(pictures, tmp_path):
    with pytest.raises(ValueError, match=r"holds 2 classes \(ant, cat\), not 3: set data.config.classes"):
        Folder(config(pictures, classes=3))
    Image.new("RGB", (9, 9)).save(pictures / "loose.png")
    with pytest.raises(ValueError, match=r"1 samples have no class, the first being loose\.png"):
        Folder(config(pictures, classes=2))
    with pytest.raises(MissingDataError, match="there is no folder"):
        Folder(config(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingDataError, match="nothing of a known format"):
        Folder(config(tmp_path / "empty"))
