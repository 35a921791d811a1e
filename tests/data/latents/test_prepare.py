"""A preparation is a function of contents: what changed is made anew, what did not is not, and names can be any."""

from __future__ import annotations

import json
import os
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from zigbench.data.builtin.folders import ImageFolderConfig, LatentFolderConfig
from zigbench.data.folders import Folder
from zigbench.data.formats.listing import list_samples
from zigbench.data.latents.autoencoder import TextEncoder
from zigbench.data.latents.dataset import Latents
from zigbench.data.latents.encode import EncodingSpec
from zigbench.data.latents.index import damaged_files
from zigbench.data.latents.prepare import Requirements, prepare_latents
from zigbench.data.prepare import PrepareOptions, prepare_data_set
from zigbench.spec import registry

from ..conftest import RAW, SHAPE, TEXT, add_member

COUNT = 24


def write_shard(path, seed=0, *, latents=None, captions=None, label=lambda row: row % 3):
    """A tar of samples: latents and captions' embeddings by ``seed``, those of single rows by others."""
    with tarfile.open(path, "w") as archive:
        for row in range(COUNT):
            latent = np.random.default_rng((latents or {}).get(row, seed + row)).standard_normal(SHAPE, np.float32)
            text = np.random.default_rng((captions or {}).get(row, seed + row)).standard_normal((1, *TEXT), np.float32)
            add_member(archive, f"{row:03d}.latent.npy", RAW * latent)
            add_member(archive, f"{row:03d}.caption_feature.npy", text)
            add_member(archive, f"{row:03d}.cls", str(label(row)).encode())


SPEC = EncodingSpec(32, 0.18215, latents="latent", flips=False, shard=8)
REQUIRED = Requirements("latents", classes=3, text=TEXT)


@pytest.fixture
def shards(tmp_path):
    """Two shards of latents, their preparation, and a function that prepares again and names the shards made anew."""
    folder, out = tmp_path / "tars", tmp_path / "latents"
    folder.mkdir()
    write_shard(folder / "train-0.tar")
    write_shard(folder / "val-0.tar", seed=1000)

    def prepare():
        before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.json")}
        prepare_latents(SPEC, REQUIRED, list_samples(folder), out, where=folder)
        after = {path.name: path.stat().st_mtime_ns for path in out.glob("*.json")}
        assert damaged_files(out) == []
        return sorted(name[:-5] for name in after if after[name] != before.get(name) and name != "index.json")

    assert len(prepare()) == 6
    return folder, out, prepare


def test_what_did_not_change_is_not_made_again(shards):
    folder, _, prepare = shards
    assert prepare() == []
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    assert prepare() == []


@pytest.mark.parametrize("part", ["latents", "captions"])
def test_a_content_that_changed_under_its_name_is_encoded_anew(shards, part):
    folder, out, prepare = shards
    stat = (folder / "train-0.tar").stat()
    write_shard(folder / "train-0.tar", **{part: {9: 77}})
    os.utime(folder / "train-0.tar", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (folder / "train-0.tar").stat().st_size == stat.st_size
    assert prepare() == ["train-00001"]
    sample = list_samples(folder)[9]
    batch = Latents(LatentFolderConfig(path=str(out), resolution=32, classes=3, text=TEXT)).split("train").batch([9])
    latent = sample.features["latent"].read().astype(np.float16).astype(np.float32)
    assert np.allclose(batch.x[0], latent * 0.18215, rtol=1e-6)
    assert np.array_equal(batch.context[0], sample.features["captions"].read()[0].astype(np.float16))


def test_other_labels_are_taken_over(shards):
    folder, out, prepare = shards
    write_shard(folder / "train-0.tar", label=lambda row: (row + 1) % 3)
    assert prepare() == ["train-00000", "train-00001", "train-00002"]
    split = Latents(LatentFolderConfig(path=str(out), resolution=32, classes=3)).split("train")
    assert split.batch(range(COUNT)).label.tolist() == [(row + 1) % 3 for row in range(COUNT)]


def test_pictures_that_changed_are_encoded_anew(tmp_path, vae):
    folder, out = tmp_path / "pictures", tmp_path / "latents"
    for part in ("train", "val"):
        (folder / part).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (32, 32), (60 * number, 90, 30)).save(folder / part / f"{number}.png")
    options = PrepareOptions(resolution=32, to=out, vae=str(vae), flips=False)

    def latents():
        prepare_data_set("latents", folder, options)
        return Latents(LatentFolderConfig(path=str(out), resolution=32)).split("train").batch(range(4)).x

    before = latents()
    Image.new("RGB", (32, 32), (0, 250, 200)).save(folder / "train" / "2.png")
    after = latents()
    changed = (before - after).flatten(1).abs().amax(1) > 1e-3
    assert changed.tolist() == [False, False, True, False]


def test_another_tokenizer_is_another_text_encoder(clip, tmp_path):
    other = tmp_path / "clip"
    other.mkdir()
    for path in clip.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    first = TextEncoder.load(str(clip))
    assert TextEncoder.load(str(other)).sha256 == first.sha256
    words = json.loads((other / "vocab.json").read_text())
    words["a"], words["b"] = words["b"], words["a"]
    (other / "vocab.json").write_text(json.dumps(words))
    (other / "tokenizer.json").unlink(missing_ok=True)
    assert TextEncoder.load(str(other)).sha256 != first.sha256


def test_names_that_are_no_utf_8_are_prepared_and_found_again(tmp_path, vae):
    folder, out = tmp_path / "pictures", tmp_path / "latents"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(12):
        path = folder / f"{number}.png"
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
        os.rename(path, os.fsencode(folder) + b"/caf\xe9%d.png" % number)
    with open(os.fsencode(folder) + b"/\xe9mpty.png", "wb"):
        pass
    options = PrepareOptions(resolution=32, to=out, vae=str(vae), flips=False, unreadable=0.1)
    _, summary = prepare_data_set("latents", folder, options)
    (message,) = summary.unreadable
    assert message.startswith("\\xe9mpty.png: ")
    data = Latents(LatentFolderConfig(path=str(out), resolution=32))
    originals = data.originals("train")
    assert originals.images(0, len(originals)).shape == (len(originals), 3, 32, 32)
    with pytest.raises(ValueError, match=r"1 of 13 pictures are unreadable.*\\xe9mpty\.png") as caught:
        Folder(ImageFolderConfig(path=str(folder), resolution=32))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["image-folder", "clip-folder", "latents"])
def test_a_path_that_is_no_utf_8_is_refused_with_its_name(name):
    with pytest.raises(ValueError, match=r"caf\\xe9 is not UTF-8.*name a link to it"):
        registry.data.get(name)(path=os.fsdecode(b"caf\xe9"), resolution=16)


def test_a_file_that_changes_while_it_is_in_use_is_refused(tmp_path, monkeypatch):
    for number in range(12):
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(tmp_path / f"{number:02d}.png")
    monkeypatch.setattr("zigbench.data.folders.RESIDENT", 0)
    split = Folder(ImageFolderConfig(path=str(tmp_path), resolution=8)).split("train")
    first = split.batch([0]).x
    assert torch.equal(split.batch([0]).x, first)
    for path in tmp_path.iterdir():
        Image.new("RGB", (8, 8), (1, 2, 3)).save(path)
    with pytest.raises(ValueError, match=r"\d\d\.png was changed while it is in use: start the run again"):
        split.batch([0])
