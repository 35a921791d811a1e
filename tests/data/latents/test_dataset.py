"""Prepared latents: what was put in comes out, visits vary as functions of their seed, and damage is refused."""

from __future__ import annotations

import json
from typing import ClassVar

import numpy as np
import pytest
import torch

from zigbench.data.builtin.folders import LatentFolderConfig
from zigbench.data.builtin.recipes import CocoConfig
from zigbench.data.config import LatentsConfig
from zigbench.data.formats.listing import list_samples
from zigbench.data.formats.samples import MissingDataError
from zigbench.data.latents.dataset import Latents
from zigbench.data.latents.encode import EncodingSpec
from zigbench.data.latents.index import damaged_files, refuse_unlike, settings
from zigbench.data.latents.prepare import Requirements, prepare_latents
from zigbench.data.prepare import PrepareOptions, prepare_data_set
from zigbench.data.shards import DamagedDataError
from zigbench.data.split import AugmentationKey

from ..conftest import SHAPE, TEXT


def config(folder, **changes):
    return LatentFolderConfig(path=str(folder), resolution=32, **{"classes": 3, "text": TEXT, **changes})


@pytest.fixture
def prepared(tars, tmp_path):
    out = tmp_path / "prepared"
    order = EncodingSpec(32, 0.18215, latents="img_feature32", flips=False, shard=8)
    prepare_latents(order, Requirements("latents", classes=3, text=TEXT), list_samples(tars), out, where=tars)
    return out


def test_latents_labels_and_captions_come_out_as_they_went_in(tars, prepared):
    data = Latents(config(prepared))
    assert {name: len(data.split(name)) for name in ("train", "held-out")} == {"train": 30, "held-out": 9}
    samples = [sample for sample in list_samples(tars) if sample.split == "train"]
    chosen = [29, 0, 8, 8, 17]
    batch = data.split("train").batch(chosen)
    for row, number in enumerate(chosen):
        features = samples[number].features
        stored = features["img_feature32"].read().astype(np.float16).astype(np.float32)
        assert np.allclose(batch.x[row], stored * 0.18215, rtol=1e-6)
        assert batch.label[row] == samples[number].label.number
        first = features["captions"].read()[0].astype(np.float16).astype(np.float32)
        assert np.array_equal(batch.context[row], first)
    assert batch.x.shape == (5, *config(prepared).geometry(1).sample_shape)


def test_a_visit_is_a_function_of_its_seed_and_the_sample(tars, prepared):
    split = Latents(config(prepared)).split("train")
    whole = split.batch(AugmentationKey(range(30), 5))
    backwards = split.batch(AugmentationKey([*reversed(range(30))], 5))
    assert torch.equal(whole.context, backwards.context.flip(0))
    captions = [sample.features["captions"].read() for sample in list_samples(tars) if sample.split == "train"]
    seen = [set() for _ in captions]
    for seed in range(40):
        context = split.batch(AugmentationKey(range(30), seed)).context
        for row, texts in enumerate(captions):
            (which,) = np.flatnonzero((texts.astype(np.float16) == context[row].numpy()).all((1, 2)))
            seen[row].add(int(which))
    assert seen == [set(range(len(texts))) for texts in captions]


def test_without_classes_or_text_none_come(prepared):
    batch = Latents(config(prepared, classes=None, text=None)).split("held-out").batch([0])
    assert (batch.label, batch.context) == (None, None)
    with pytest.raises(IndexError, match="0 to 8"):
        Latents(config(prepared)).split("held-out").batch([9])


def test_what_is_whole_is_not_made_again_and_what_is_cut_short_is(tars, prepared):
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in prepared.glob("*.npy")}
    damaged = prepared / "train-00001.moments.npy"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(DamagedDataError, match=r"1 of 36 files are not whole: train-00001\.moments\.npy has \d+ bytes"):
        Latents(config(prepared))
    (prepared / "held-out-00001.labels.npy").unlink()
    order = EncodingSpec(32, 0.18215, latents="img_feature32", flips=False, shard=8)
    steps = []
    prepare_latents(
        order,
        Requirements("latents", classes=3, text=TEXT),
        list_samples(tars),
        prepared,
        where=tars,
        on_progress=lambda done, total: steps.append((done, total)),
    )
    assert steps[0] == (30, 39)  # Before the first is encoded.
    assert steps[-1] == (39, 39)
    assert len(steps) == 3
    after = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in prepared.glob("*.npy")}
    assert {name: content for name, (_, content) in before.items()} == {name: c for name, (_, c) in after.items()}
    remade = {name for name in before if before[name][0] != after[name][0]}
    assert {name.partition(".")[0] for name in remade} == {"train-00001", "held-out-00001"}


def test_a_flipped_bit_is_found_by_checksum(prepared):
    assert damaged_files(prepared) == []
    path = prepared / "train-00002.texts.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert damaged_files(prepared) == ["train-00002.texts.npy"]


def test_several_processes_make_the_same_shards(tars, prepared, tmp_path):
    order = EncodingSpec(32, 0.18215, latents="img_feature32", flips=False, shard=8)
    together = tmp_path / "together"
    wanted = Requirements("latents", classes=3, text=TEXT)
    prepare_latents(order, wanted, list_samples(tars), together, where=tars, processes=2)
    for path in prepared.glob("*.npy"):
        assert (together / path.name).read_bytes() == path.read_bytes()
    assert json.loads((together / "index.json").read_text()) == json.loads((prepared / "index.json").read_text())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"scale": 0.13025},
            r"recorded with the scale 0\.18215, the config needs 0\.13025: set data\.config\.scale=0\.18215",
        ),
        ({"classes": 5}, "3 classes, the config needs 5: set data.config.classes=3"),
        ({"text": (77, 768)}, r"embeddings of 5×6, the config needs 77×768: set data.config.text=\[5, 6\]"),
        (
            {"resolution": 64},
            r"the latents are \[4, 4, 4\], the config needs \[4, 8, 8\]: set data.config.resolution=32",
        ),
    ],
)
def test_other_latents_than_asked_for_are_refused(prepared, changes, words):
    with pytest.raises(DamagedDataError, match=words):
        Latents(config(prepared).model_copy(update=changes))


def test_the_settings_of_prepared_latents_are_those_that_load_them(tars, prepared):
    given = settings(prepared)
    assert given == {"path": str(prepared), "resolution": 32, "classes": 3, "text": list(TEXT)}
    assert Latents(LatentFolderConfig(**given)).split("train")
    refuse_unlike(LatentFolderConfig(**given))
    with pytest.raises(ValueError, match=r"set data\.config\.classes=3"):
        refuse_unlike(LatentFolderConfig(**{**given, "classes": 4}))


def test_latents_of_strange_size_are_refused(tars, prepared, tmp_path):
    wanted, order = Requirements("latents"), EncodingSpec(32, 0.18215, latents="img_feature32", flips=False)
    scaled = EncodingSpec(32, 0.18215, latents="img_feature32", flips=False, scaled=True)
    with pytest.raises(ValueError, match=r"deviate by 5\.\d+ where the scale 0.18215"):
        prepare_latents(scaled, wanted, list_samples(tars), tmp_path / "scaled", where=tars)
    index = json.loads((prepared / "index.json").read_text())
    (prepared / "index.json").write_text(json.dumps({**index, "deviation": 0.18}))
    with pytest.raises(DamagedDataError, match="were scaled twice or not at all"):
        Latents(config(prepared))
    assert order.identity() != scaled.identity()
    for path in prepared.glob("*.moments.npy"):
        np.save(path, (np.load(path) * 10).astype(np.float16))
    (prepared / "index.json").write_text(json.dumps(index))
    with pytest.raises(DamagedDataError, match="not those that the index describes"):
        Latents(config(prepared))


class MiniatureConfig(LatentsConfig):
    """A recipe that the shards above complete."""

    name = "miniature"
    images: ClassVar = {"train": 30, "held-out": 9}
    source = "the tests' own shards"
    classes = 3
    resolution: int = 32


def test_a_recipe_counts_what_it_finds(tars, prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("ZIGBENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    with pytest.raises(MissingDataError, match=r"no latents of miniature at 32 pixels in .*by hand: the tests' own"):
        Latents(MiniatureConfig())
    prepared.rename(tmp_path / "data" / "miniature-32")
    assert len(Latents(MiniatureConfig()).split("train")) == 30
    monkeypatch.setattr(MiniatureConfig, "images", {"train": 31, "held-out": 9})
    with pytest.raises(DamagedDataError, match="the split 'train' holds 30 samples of 31"):
        Latents(MiniatureConfig())
    order = EncodingSpec(32, 0.18215, latents="img_feature32", flips=False)
    wanted = Requirements(
        "miniature", classes=4, text=TEXT, images=MiniatureConfig.images, source=MiniatureConfig.source
    )
    with pytest.raises(MissingDataError) as caught:
        prepare_latents(order, wanted, list_samples(tars), tmp_path / "out", where=tars)
    for words in (
        "39 samples of 40",
        "holds 3 classes",
        "'train' holds 30 samples of 31",
        "by hand: the tests' own",
    ):
        assert words in str(caught.value)


def test_a_missing_recipe_says_what_to_download_and_which_command_prepares_it(tmp_path, monkeypatch):
    monkeypatch.setenv("ZIGBENCH_DATA", str(tmp_path))
    with pytest.raises(MissingDataError) as caught:
        Latents(CocoConfig())
    for words in (str(tmp_path / "coco-256"), "82,783 train", "MS-COCO 2014", "zigbench prepare coco --from"):
        assert words in str(caught.value)


def test_shards_with_their_own_latents_are_prepared_by_name(tars, tmp_path):
    out = tmp_path / "named"
    choices = PrepareOptions(resolution=32, to=out, encoded=True, classes=3)
    folder, made = prepare_data_set("latents", tars, choices)
    assert (folder, made.counts, made.roundtrip) == (out, {"train": 30, "held-out": 9}, None)
    assert Latents(config(out)).index["shape"] == list(SHAPE)
    with pytest.raises(ValueError, match="not all samples come with latents at 64 pixels"):
        prepare_data_set("latents", tars, PrepareOptions(resolution=64, to=out, encoded=True))
    with pytest.raises(ValueError, match="nothing to prepare"):
        prepare_data_set("digits", tars, PrepareOptions())
