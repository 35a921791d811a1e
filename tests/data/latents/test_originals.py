"""The pictures behind latents, found again by name and content; the manifest that later preparations are held to."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from zigbench.data.builtin.folders import LatentFolderConfig
from zigbench.data.formats.listing import list_samples
from zigbench.data.formats.pictures import read_picture
from zigbench.data.formats.samples import MissingDataError
from zigbench.data.latents import manifest
from zigbench.data.latents.dataset import Latents
from zigbench.data.latents.encode import EncodingSpec
from zigbench.data.latents.prepare import Requirements, prepare_latents
from zigbench.data.shards import DamagedDataError
from zigbench.runs.weights import with_default_metrics
from zigbench.spec import RunSpec

ORDER = EncodingSpec(32, 0.18215, latents="img_feature32", flips=False, shard=8)


@pytest.fixture
def prepared(tars, tmp_path):
    prepare_latents(ORDER, Requirements("latents"), list_samples(tars), tmp_path / "prepared", where=tars)
    return tmp_path / "prepared"


def load(folder):
    return Latents(LatentFolderConfig(path=str(folder), resolution=32))


def test_originals_are_the_pictures_in_the_order_of_the_latents(tars, prepared):
    data = load(prepared)
    for split in ("train", "held-out"):
        samples = [sample for sample in list_samples(tars) if sample.split == split]
        originals = data.originals(split)
        assert len(originals) == len(samples) == len(data.split(split))
        expected = [read_picture(sample.picture.read(), 32, 3, name=sample.name) for sample in samples]
        assert originals.captions == [sample.captions[0] for sample in samples]
        assert np.array_equal(originals.images(0, len(samples)).numpy(), np.stack(expected))
        assert np.array_equal(originals.images(3, 5).numpy(), np.stack(expected[3:5]))
        latents = data.split(split).batch([2]).x[0].numpy() / 0.18215
        assert np.allclose(latents, samples[2].features["img_feature32"].read(), atol=0.02)


def test_their_hash_knows_content_and_resizing(tars, prepared, tmp_path):
    first = load(prepared).originals("train")
    shutil.copytree(tars, tmp_path / "copy")
    prepare_latents(
        ORDER, Requirements("latents"), list_samples(tmp_path / "copy"), tmp_path / "again", where=tmp_path / "copy"
    )
    assert load(tmp_path / "again").originals("train").content_hash == first.content_hash
    index = json.loads((prepared / "index.json").read_text())
    (prepared / "index.json").write_text(json.dumps({**index, "filter": "box"}))
    assert load(prepared).originals("train").content_hash != first.content_hash


def test_pictures_that_have_moved_are_named_by_a_variable(tars, prepared, tmp_path, monkeypatch):
    tars.rename(tmp_path / "elsewhere")
    with pytest.raises(MissingDataError, match=r"30 of the 30 pictures .*ZIGBENCH_PICTURES.*reference=train-decoded"):
        load(prepared).originals("train")
    monkeypatch.setenv("ZIGBENCH_PICTURES", str(tmp_path / "elsewhere"))
    assert load(prepared).originals("train").images(0, 2).shape == (2, 3, 32, 32)


def test_latents_that_cannot_be_decoded_are_measured_by_their_losses_alone(tars, prepared, tiny, tmp_path):
    network = {key: value for key, value in tiny.items() if not key.startswith("training")}
    data = {"name": "latents", "config": {"path": str(prepared), "resolution": 32}}
    spec = RunSpec.parse({**network, "data": data, "task": "evaluate", "weights": "0" * 64})
    measured, reason = with_default_metrics(spec, tmp_path / "cache")
    assert measured.evaluation.metrics == ("held_out_loss", "held_out_loss_token_0")
    assert measured.evaluation.preview == 0
    assert "AutoencoderKL" in reason


def test_another_picture_of_the_same_name_is_refused(tmp_path, vae):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    order = EncodingSpec(32, 0.18215, autoencoder=str(vae), flips=False)
    prepare_latents(order, Requirements("latents"), list_samples(folder), tmp_path / "out", where=folder)
    for path in folder.iterdir():
        Image.new("RGB", (32, 32)).save(path)
    with pytest.raises(DamagedDataError, match="is not the picture of latents that was encoded"):
        load(tmp_path / "out").originals("train").images(0, 1)


def test_the_first_preparation_writes_what_later_ones_are_held_to(tars, tmp_path):
    wanted = Requirements(
        "set", manifest=tmp_path / "set.json", source="the tests", images={"train": 30, "held-out": 9}
    )
    samples = list_samples(tars)
    prepare_latents(ORDER, wanted, samples, tmp_path / "a", where=tars)
    told = json.loads((tmp_path / "set.json").read_text())
    assert told["count"] == len(told["sample"]) == 39
    assert told["sample"][samples[0].name]["sha256"] == manifest.digest_of(samples[0].features["img_feature32"].read())
    prepare_latents(ORDER, wanted, samples, tmp_path / "b", where=tars)
    name = samples[4].name
    told["sample"][name]["sha256"] = "0" * 64
    (tmp_path / "set.json").write_text(json.dumps({"count": 40, "sample": {**told["sample"], "lost": {}}}))
    with pytest.raises(MissingDataError) as caught:
        prepare_latents(ORDER, wanted, samples, tmp_path / "c", where=tars)
    for words in ("there were 40 and are 39", "lost is missing", f"{name} is another file", "delete that file"):
        assert words in str(caught.value)
    assert not (tmp_path / "c").exists()
    (tmp_path / "set.json").write_text("{")
    with pytest.raises(ValueError, match="delete it, and the next preparation writes it"):
        prepare_latents(ORDER, wanted, samples, tmp_path / "c", where=tars)


def test_the_sample_depends_on_names_alone(tars):
    samples = list_samples(tars)
    assert manifest.sampled(samples) == manifest.sampled(samples[::-1])
    assert set(map(id, manifest.sampled(samples[:20]))) <= set(map(id, samples[:20]))


def test_pictures_of_the_wrong_size_are_listed(tars, tmp_path):
    with pytest.raises(MissingDataError, match=r"at least 48 pixels a side, but of a sample .* is 32×32, .*…"):
        prepare_latents(ORDER, Requirements("set", least=48), list_samples(tars), tmp_path / "a", where=tars)
    assert manifest.wrong_sizes(list_samples(tars), 32, square=True) == []
    Image.new("RGB", (40, 32)).save(tmp_path / "wide.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert manifest.wrong_sizes(list_samples(tmp_path), 32, square=False) == []
