"""Scores of pictures in folders: those of torch-fidelity and clean-fid, and faults of what people hand over."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
import torch_fidelity
from typer.testing import CliRunner

from zigbench.cli import app
from zigbench.evaluation import Protocol, difference
from zigbench.evaluation.extractors.random_features import RandomFeatures
from zigbench.evaluation.metrics.frechet import frechet_distance
from zigbench.evaluation.metrics.kid import subset_size
from zigbench.evaluation.pictures import Pictures
from zigbench.evaluation.references import Reference
from zigbench.evaluation.score import ELSEWHERE, score
from zigbench.spec.presets import Preset

from .image_sets import images
from .registered_features import RANDOM_FEATURES

METRICS = ("frechet_random", "kid_random", "sliced_wasserstein_random", "recall_random", "frechet_random_ratio")


def folder(place: Path, seed: int, count: int, side: int = 16) -> Path:
    place.mkdir()
    for index, pixels in enumerate(images(seed, count, side)):
        PIL.Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(place / f"{index:03d}.png")
    return place


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pictures")
    return {name: folder(root / name, seed, 40 + seed) for seed, name in enumerate(("mine", "real", "others"))}


def test_figures_are_those_that_torch_fidelity_has_of_the_same_folders(places, tmp_path) -> None:
    size = subset_size(40, 41)
    theirs = torch_fidelity.calculate_metrics(
        input1=str(places["mine"]), input2=str(places["real"]), feature_extractor=RANDOM_FEATURES, fid=True, kid=True,
        prc=True, kid_subset_size=size, cuda=False, cache=False, verbose=False, save_cpu_ram=True,
    )  # fmt: skip
    names = {
        "frechet_random": "frechet_inception_distance",
        "kid_random": "kernel_inception_distance_mean",
        "precision_random": "precision",
        "recall_random": "recall",
    }
    pictures = (Pictures.of(places[name]) for name in ("mine", "real"))
    measured, _ = score(*pictures, list(names), cache=tmp_path, bootstrap=0, device="cpu")
    ours = {figure.name: figure.value for figure in measured}
    for name, key in names.items():
        assert ours[name] == pytest.approx(theirs[key], rel=5e-3), name


def test_the_frechet_distance_of_the_same_features_is_clean_fids() -> None:
    fid = pytest.importorskip("cleanfid.fid")
    x, y = (RandomFeatures().extract(images(seed, 60))["features"][:, :40] for seed in (0, 1))
    theirs = fid.fid_from_feats(x.double().numpy(), y.double().numpy())
    assert frechet_distance(x, Reference.of(y)) == pytest.approx(theirs, rel=1e-5)


def test_each_figure_has_a_protocol_that_says_what_is_not_known(places, tmp_path) -> None:
    measured, protocols = score(
        *(Pictures.of(places[name]) for name in ("mine", "real")), METRICS, cache=tmp_path,
        held_out=Pictures.of(places["others"]), bootstrap=10, device="cpu",
    )  # fmt: skip
    known = {protocol.hash: protocol for protocol in protocols}
    assert {figure.name for figure in measured} == {*METRICS, "kid_random_deviation"}
    for figure in measured:
        protocol = known[figure.protocol]
        assert (protocol.samples, protocol.reference_count, protocol.solver) == (40, 41, None)
        assert protocol.network == protocol.labels == protocol.precision == ELSEWHERE
        assert figure.name.endswith("_deviation") or figure.interval[0] <= figure.value <= figure.interval[1]


def test_an_array_is_the_folder_of_its_pictures_and_statistics_are_those_of_their_features(places, tmp_path) -> None:
    pixels = Pictures.of(places["real"]).images(0, 41)
    np.savez(tmp_path / "real.npz", arr_0=pixels.permute(0, 2, 3, 1).numpy())
    features = RandomFeatures().extract(pixels)["features"]
    Reference.of(features, name="real").save(tmp_path / "statistics.npz")
    values = [
        score(Pictures.of(places["mine"]), real, cache=tmp_path, device="cpu")[0][0].value
        for real in (Pictures.of(places["real"]), Pictures.of(tmp_path / "real.npz"), tmp_path / "statistics.npz")
    ]
    assert values[1:] == pytest.approx(values[:1] * 2)


def test_pictures_are_read_as_torch_fidelity_reads_them_unless_they_are_brought_to_a_size(tmp_path) -> None:
    (tmp_path / "below").mkdir()
    rgba = np.random.default_rng(0).integers(0, 255, (6, 9, 4), dtype=np.uint8)
    PIL.Image.fromarray(rgba).save(tmp_path / "below" / "a.PNG")
    PIL.Image.fromarray(rgba[..., 0]).save(tmp_path / "b.png")
    (tmp_path / "notes.txt").write_text("no picture")
    pictures = Pictures.of(tmp_path)
    assert len(pictures) == 2
    grey, colour = pictures.images(0, 2)
    assert np.array_equal(colour.permute(1, 2, 0).numpy(), np.asarray(PIL.Image.fromarray(rgba).convert("RGB")))
    assert torch.equal(grey, grey[:1].expand(3, -1, -1))
    assert Pictures.of(tmp_path, 4).images(0, 2).shape == (2, 3, 4, 4)
    assert Pictures.of(tmp_path, 4).treatment != pictures.treatment


def test_renaming_changes_no_hash_and_another_picture_does(tmp_path) -> None:
    place = folder(tmp_path / "a", 0, 3)
    before = Pictures.of(place).content_hash
    (place / "000.png").rename(place / "z.png")
    assert Pictures.of(place).content_hash == before
    (place / "z.png").unlink()
    assert Pictures.of(place).content_hash != before


def faulty(name: str, root: Path) -> Path:
    place = root / name
    if name == "sizes":
        folder(place, 0, 2)
        PIL.Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(place / "x.png")
    elif name == "cut":
        folder(place, 0, 2)
        (place / "000.png").write_bytes((place / "000.png").read_bytes()[:60])
    elif name == "empty":
        place.mkdir()
    elif name == "floats.npy":
        np.save(place, np.zeros((3, 4, 4, 3)))
    elif name == "pickle.npz":
        np.savez(place, arr_0=np.array([{"code": 1}], dtype=object))
    elif name == "text.txt":
        place.write_text("no picture")
    return place


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sizes", r"x\.png has 5×5 pixels, 000\.png 16×16: bring all to one size, or give --resolution"),
        ("cut", r"000\.png can't be read as a picture"),
        ("empty", "empty has no pictures: files that end in"),
        ("floats.npy", r"floats\.npy holds float64 \(3, 4, 4, 3\); pictures are uint8"),
        ("pickle.npz", r"pickle\.npz holds no array 'arr_0' without pickles"),
        ("text.txt", r"text\.txt is no folder of pictures"),
        ("nothing", "there is no folder or file"),
    ],
)
def test_faults_are_one_line_that_names_the_file(places, tmp_path, name, words) -> None:
    place = faulty(name, tmp_path)
    with pytest.raises(ValueError, match=words) as raised:
        score(Pictures.of(place), Pictures.of(places["real"]), cache=tmp_path, device="cpu")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("held_out_loss", "held_out_loss is measured on a run"),
        ("frechet_ratio_digits", "needs the digit classifier"),
        ("fvd", "fvd is a metric of clips"),
        ("fidd", "did you mean 'fid'"),
    ],
)
def test_metrics_of_something_else_are_refused(places, tmp_path, metric, words) -> None:
    with pytest.raises(ValueError, match=words):
        score(Pictures.of(places["mine"]), Pictures.of(places["real"]), [metric], cache=tmp_path)


def test_weights_that_no_metric_reads_are_refused(places, tmp_path) -> None:
    mine, real = Pictures.of(places["mine"]), Pictures.of(places["real"])
    with pytest.raises(ValueError, match="weights of incepton are given; the metrics read features of random"):
        score(mine, real, ["frechet_random"], cache=tmp_path, weights={"incepton": tmp_path / "weights.pth"})


def test_a_preset_states_the_number_the_reference_and_the_metrics(places, tmp_path, monkeypatch) -> None:
    mine, real = Pictures.of(places["mine"]), Pictures.of(places["real"])
    for preset, words in (
        ("adm-50k", "adm-50k scores 50,000 pictures, and .*mine has 40"),
        ("adm", "did you mean 'adm-50k'"),
    ):
        with pytest.raises(ValueError, match=words):
            score(mine, real, cache=tmp_path, preset=preset)
    small = Preset("a small one", {"evaluation.samples": 40}, ("frechet_random", "kid_random"), statistics=True)
    presets = {"small": small}
    monkeypatch.setattr("zigbench.evaluation.score.PRESETS", presets)
    with pytest.raises(ValueError, match="small compares with a file of statistics"):
        score(mine, real, cache=tmp_path, preset="small")
    of_pictures = Preset("40 more", {"evaluation.samples": 40, "evaluation.reference_count": 40}, ("frechet_random",))
    presets["pictures"] = of_pictures
    with pytest.raises(ValueError, match=r"pictures compares with 40 pictures, and .*real has 41"):
        score(mine, real, cache=tmp_path, preset="pictures")
    features = RandomFeatures().extract(real.images(0, 41))["features"]
    replace(Reference.of(features), features=None).save(tmp_path / "statistics.npz")
    measured, protocols = score(mine, tmp_path / "statistics.npz", cache=tmp_path, preset="small", bootstrap=0)
    distance, kid = measured
    assert distance.value > 0
    assert kid.value is None
    assert "has statistics only" in kid.note  # One line in its place, and the others stand.
    assert [protocol.preset for protocol in protocols] == ["small"]


def test_the_command_writes_figures_and_protocols(places, tmp_path) -> None:
    file = tmp_path / "score.json"
    words = ["score", "--generated", places["mine"], "--real", places["real"], "--out", file, "--cache", tmp_path]
    result = CliRunner().invoke(app, [*map(str, words), "--metric", "frechet_random", "--bootstrap", "5"])
    assert result.exit_code == 0, result.output
    body = json.loads(file.read_text())
    (figure,) = body["measurements"]
    protocol = Protocol.model_validate(body["protocols"][figure["protocol"]])
    assert protocol.hash == figure["protocol"]
    assert f"{figure['value']:.6g}" in result.output
    assert difference(protocol, protocol.model_copy(update={"samples": 41}))
