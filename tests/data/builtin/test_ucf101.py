"""Clips through a real autoencoder with random weights: UCF101's recipe, one's own videos, and a run on them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from zigbench.data.builtin.folders import LatentFolderConfig
from zigbench.data.builtin.ucf101 import UCF101Config
from zigbench.data.config import missing
from zigbench.data.formats.samples import MissingDataError
from zigbench.data.latents.dataset import Latents
from zigbench.data.prepare import PrepareOptions, prepare_data_set
from zigbench.data.shards import DamagedDataError
from zigbench.data.split import AugmentationKey
from zigbench.evaluation import read_protocols
from zigbench.records.folder import RunFolder
from zigbench.report.published.figures import read
from zigbench.runs.execute import execute
from zigbench.spec import RunSpec
from zigbench.suite import expand, load

from ..make_films import write_film, write_frames

LENGTHS = (9, 12, 7, 15)


@pytest.fixture
def ucf(tmp_path) -> Path:
    """Eight videos of two classes and the lists of split 2, the first video broken."""
    folder = tmp_path / "ucf"
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for label in ("Archery", "Bowling"):
        for number, length in enumerate(LENGTHS):
            name = f"{label}/v_{label}_g{number:02d}_c01.avi"
            levels = [30 + 12 * frame + 5 * number for frame in range(length)]
            write_film(folder / "UCF-101" / name, levels)
            lists["test" if number == 3 else "train"].append(name)
    (folder / "UCF-101" / "Archery" / "v_Archery_g00_c01.avi").write_bytes(b"RIFF and no more")
    (folder / "lists").mkdir()
    for split, names in lists.items():
        number = " 1" if split == "train" else ""
        lines = "".join(f"{name}{number}\n" for name in names)
        (folder / "lists" / f"{split}list02.txt").write_text(lines)
    return folder


class Small(UCF101Config):
    """The recipe at a size that a test can encode."""

    classes = 2
    splits = {2: {"train": 6, "held-out": 2}}  # noqa: RUF012
    resolution: int = 32
    official_split: int = 2


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.setenv("ZIGBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("zigbench.data.prepare.registry.data.get", lambda name: Small)
    return Small(frames=7)


def test_the_recipe_encodes_every_frame_and_gives_stretches(ucf, small, vae, tmp_path) -> None:
    choices = PrepareOptions(vae=str(vae), frames=7, unreadable=0.2)
    with pytest.raises(MissingDataError, match=r"--from FOLDER --resolution 32 --official-split 2"):
        Latents(small)
    out, made = prepare_data_set("ucf101", ucf, choices)
    assert out == tmp_path / "data" / "ucf101-32-split-2"
    assert made.counts == {"train": 5, "held-out": 2}
    assert len(made.unreadable) == 1
    assert "v_Archery_g00_c01.avi" in made.unreadable[0]
    data = Latents(small)
    train = data.split("train")
    moments = np.load(out / "train-00000.moments.npy")
    assert moments.shape == (12 + 7 + 9 + 12 + 7, 2, 2, 4, 4, 4)
    first = np.load(out / "train-00000.frames.npy")
    seen = set()
    for seed in range(60):
        batch = train.batch(AugmentationKey([0, 2], seed))
        assert batch.x.shape == (2, 7, 4, 4, 4)
        assert batch.label.tolist() == [0, 1]
        for row, clip in ((0, batch.x[0]), (2, batch.x[1])):
            rows = moments[first[row] : first[row + 1], :, 0] * np.float32(0.18215)
            fits = [
                (start, view)
                for start in range(len(rows) - 6)
                for view in range(2)
                if np.allclose(clip, rows[start : start + 7, view], atol=1e-3)
            ]
            assert len(fits) == 1, "a sample is consecutive frames of one clip, in one view"
            seen.add((row, *fits[0]))
    assert {(row, view) for row, _, view in seen} == {(0, 0), (0, 1), (2, 0), (2, 1)}
    assert len({start for row, start, _ in seen if row == 0}) == 6
    assert torch.equal(train.batch([1]).x, train.batch([1]).x)
    assert data.decode(train.batch([0, 1]).x).shape == (2, 7, 3, 32, 32)
    originals = data.originals("held-out")
    assert originals.images(0, 2).shape == (2, 7, 3, 32, 32)
    assert "7 consecutive frames of the original clips" in originals.treatment
    assert missing(small) == ""
    with pytest.raises(DamagedDataError, match="its shortest clip has 7 frames, the config needs 8"):
        Latents(small.model_copy(update={"frames": 8}))


def test_what_the_recipe_lacks_is_listed(ucf, small, vae) -> None:
    choices = PrepareOptions(vae=str(vae), frames=7)
    with pytest.raises(ValueError, match=r"1 of 8 clips are unreadable, more than the allowed 1.0%: .*v_Archery_g00"):
        prepare_data_set("ucf101", ucf, choices)
    (ucf / "UCF-101" / "Bowling" / "v_Bowling_g01_c01.avi").unlink()
    with pytest.raises(
        MissingDataError, match=r"does not have 1 of the 6 videos in trainlist02.txt: Bowling/v_Bowling"
    ):
        prepare_data_set("ucf101", ucf, choices)
    (ucf / "lists" / "testlist02.txt").unlink()
    with pytest.raises(
        MissingDataError, match=r"does not have 1 of|holds no testlist02.txt. To be downloaded by hand: UCF101"
    ):
        prepare_data_set("ucf101", ucf, choices)


def test_without_an_official_split_all_clips_are_samples_and_the_lists_are_not_read(ucf) -> None:
    (ucf / "lists" / "testlist02.txt").unlink()
    samples = UCF101Config(official_split="all").samples(ucf)
    assert [sample.split for sample in samples] == [None] * 8
    assert {sample.label.name for sample in samples} == {"Archery", "Bowling"}
    assert UCF101Config(official_split="all").folder.name == "ucf101-256-split-all"


def test_options_that_a_recipe_refuses_are_named(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"^--resolution 200: Input should be 128 or 256$"):
        prepare_data_set("ucf101", tmp_path, PrepareOptions(resolution=200))
    with pytest.raises(ValueError, match=r"^--frames 8: celebahq takes none$"):
        prepare_data_set("celebahq", tmp_path, PrepareOptions(frames=8))


def test_the_published_counts_are_those_of_the_whole_set() -> None:
    for counts in UCF101Config.splits.values():
        assert sum(counts.values()) == 13_320
    assert UCF101Config().geometry(2).tokens == 16 * 16 * 16
    assert "9,586 train and 3,734 held-out clips of known class" in missing(UCF101Config(official_split=2))


def test_a_run_on_the_latents_of_ones_own_clips(vae, tiny, tmp_path) -> None:
    for number in range(6):
        write_frames(tmp_path / "clips" / "ab"[number % 2] / str(number), range(number, number + 12 * 9, 12))
    choices = PrepareOptions(resolution=32, to=tmp_path / "latents", vae=str(vae), classes=2, frames=5)
    prepare_data_set("latents", tmp_path / "clips", choices)
    spec = RunSpec.parse(
        {
            **tiny,
            "backbone.name": "dit",
            "backbone.config": {"width": 8, "depth": 1, "heads": 2},
            "data": {
                "name": "latents",
                "config": {"path": str(tmp_path / "latents"), "resolution": 32, "classes": 2, "frames": 5},
            },
            "evaluation.metrics": ["held_out_loss", "frechet_random_3d", "frechet_random"],
            "evaluation.samples": 6,
            "evaluation.batch": 3,
            "evaluation.held_out": 4,
            "evaluation.bootstrap": 0,
        }
    )
    folder = RunFolder.of(spec, tmp_path / "runs")
    folder.submit(spec)
    record = execute(folder, cache=tmp_path / "cache", device="cpu")
    assert record.status == "ok", record.error
    assert np.load(folder.path / "samples.npy").shape == (6, 5, 3, 32, 32)
    protocols = {protocol.metric: protocol for protocol in read_protocols(folder.path).values()}
    index = json.loads((tmp_path / "latents" / "index.json").read_text())
    assert protocols["frechet_random_3d"].reference_count == sum(s["count"] for s in index["splits"]["train"])
    assert index["shortest"] == 9


def test_clips_and_pictures_are_not_taken_for_each_other(vae, tmp_path) -> None:
    for number in range(4):
        part = "val" if number == 3 else "train"
        write_frames(tmp_path / "clips" / part / str(number), range(0, 72, 12))
    choices = PrepareOptions(resolution=32, to=tmp_path / "latents", vae=str(vae), frames=5)
    prepare_data_set("latents", tmp_path / "clips", choices)
    config = {"path": str(tmp_path / "latents"), "resolution": 32}
    with pytest.raises(DamagedDataError, match=r"it holds clips: set data\.config\.frames"):
        Latents(LatentFolderConfig(**config))
    with pytest.raises(ValueError, match="takes sides that are multiples of 8, not 36"):
        prepare_data_set(
            "latents", tmp_path / "clips", PrepareOptions(resolution=36, to=tmp_path / "x", vae=str(vae), frames=5)
        )


def test_the_suite_meets_every_published_figure_and_plans_without_the_data() -> None:
    suite = load("ucf101")
    cells = list(expand(suite))
    assert {cell.spec.geometry.sample_shape for cell in cells} == {(16, 4, 32, 32)}
    assert {cell.labels["gpus"]: cell.resources.gpus * cell.resources.nodes for cell in cells} == {"4": 4, "16": 16}
    stated = {figure.name for figure in read() if figure.table == "ucf101"}
    assert stated <= set(suite.published_as.values())
    arms = {f"{cell.labels['arm']} · {cell.labels['gpus']}" for cell in cells}
    assert set(suite.published_as) == arms
    assert "To be downloaded by hand: UCF101" in missing(cells[0].spec.data.config)


def test_the_miniature_differs_in_the_scan_alone() -> None:
    cells = list(expand(load("video_scan").profile("miniature")))
    rest = {repr({k: v for k, v in c.spec.resolved().items() if k not in ("backbone", "scan", "seed")}) for c in cells}
    assert len(rest) == 1
    counts = [cell.spec.parameters(cell.spec.geometry) for cell in cells]
    assert max(counts) / min(counts) < 1.05
    assert {cell.spec.seed for cell in cells}.isdisjoint(
        cell.spec.seed for cell in expand(load("video_scan").profile("rates"))
    )
