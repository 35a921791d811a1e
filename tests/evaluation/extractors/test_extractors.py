"""Extractors: the download-free one, and the real classes loaded from files of random weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import timm
import torch
from safetensors.torch import save_file

from zigbench.evaluation.extractors.catalogue import load_extractor
from zigbench.evaluation.extractors.features import extract_features
from zigbench.evaluation.extractors.random_features import RandomFeatures
from zigbench.evaluation.metrics.frechet import frechet_distance
from zigbench.evaluation.metrics.inception_score import inception_score
from zigbench.evaluation.metrics.kid import kernel_distance
from zigbench.evaluation.references import Reference

from ..image_sets import Images, images


def test_random_features_have_one_hash_and_see_grey_as_colour() -> None:
    a, b = RandomFeatures(), RandomFeatures()
    assert a.sha256 == b.sha256
    grey = images(0, 5, channels=1)
    assert torch.equal(a.extract(grey)["features"], b.extract(grey.expand(-1, 3, -1, -1))["features"])


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 8), (32, 32), (7, 20)])
def test_random_features_of_any_size(height: int, width: int) -> None:
    found = RandomFeatures().extract(torch.zeros(2, 3, height, width, dtype=torch.uint8))["features"]
    assert found.shape == (2, 192)
    assert torch.isfinite(found).all()


def test_features_do_not_depend_on_batches() -> None:
    extractor, some = RandomFeatures(), Images(images(0, 50))
    whole, pieces = (extract_features(extractor, some, ["features"], batch=b)["features"] for b in (50, 7))
    torch.testing.assert_close(whole, pieces)


def test_clips_count_as_their_frames() -> None:
    clips = images(0, 12).reshape(3, 4, 3, 16, 16)
    found = extract_features(RandomFeatures(), Images(clips), ["features"])["features"]
    torch.testing.assert_close(found, RandomFeatures().extract(images(0, 12))["features"])


def test_unknown_names_features_and_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'inception'"):
        load_extractor("inceptoin", tmp_path)
    with pytest.raises(ValueError, match=r"provides no feature 'pool' \(it has: features\)"):
        extract_features(RandomFeatures(), Images(images(0, 2)), ["pool"])
    with pytest.raises(ValueError, match="4 channels"):
        RandomFeatures().extract(torch.zeros(1, 4, 8, 8, dtype=torch.uint8))


def test_inception_agrees_with_torch_fidelitys_own_command_line(inception_weights: Path, tmp_path: Path) -> None:
    a, b = Images(images(0, 6)), Images(images(3, 7))
    for name, images_of in (("a", a), ("b", b)):
        (tmp_path / name).mkdir()
        for index in range(len(images_of)):
            pixels = images_of[index].permute(1, 2, 0).numpy()
            PIL.Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    command = [
        sys.executable, "-m", "torch_fidelity.fidelity", "--input1", tmp_path / "a", "--input2", tmp_path / "b",
        "--fid", "--kid", "--isc", "--kid-subset-size", "5", "--isc-splits", "2", "--cpu", "--no-cache", "--silent",
        "--json", "--save-cpu-ram", "--feature-extractor-weights-path", inception_weights,
    ]  # fmt: skip
    printed = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout
    theirs = json.loads(printed[printed.index("{") :])
    extractor = load_extractor("inception", tmp_path, weights=inception_weights)
    x = extract_features(extractor, a, ["pool", "logits", "spatial"])
    y = extract_features(extractor, b, ["pool"])["pool"]
    assert x["spatial"].shape == (6, 2023)
    fid = frechet_distance(x["pool"], Reference.of(y))
    assert fid == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)
    assert kernel_distance(x["pool"], y, size=5)[0] == pytest.approx(
        theirs["kernel_inception_distance_mean"], rel=1e-3, abs=1e-9
    )
    assert inception_score(x["logits"], splits=2)[0] == pytest.approx(theirs["inception_score_mean"], rel=1e-4)


def test_a_pickle_with_code_is_not_run(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self):
            return (Path(tmp_path / "ran").touch, ())

    torch.save({"fc.weight": Harm()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil\.pth is not a file of plain tensors"):
        load_extractor("inception", tmp_path, weights=tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


def test_dinov2_through_timm_with_either_scaling(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model("vit_small_patch14_dinov2.lvd142m", pretrained=False, num_classes=0)
    save_file(network.state_dict(), tmp_path / "random.safetensors")
    extractor = load_extractor("dinov2-small", tmp_path, weights=tmp_path / "random.safetensors")
    some = images(0, 2, side=224)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (some.permute(0, 2, 3, 1).numpy() / 255 - mean) / deviation
    np.testing.assert_allclose(extractor.prepare(some).permute(0, 2, 3, 1).numpy(), expected, atol=1e-5)
    found = extractor.extract(some)["features"]
    assert found.shape == (2, 384)
    at_518 = timm.create_model("vit_small_patch14_dinov2.lvd142m", pretrained=False, num_classes=0, img_size=224)
    assert {k: v.shape for k, v in extractor.network.state_dict().items()} == {
        k: v.shape for k, v in at_518.state_dict().items()
    }
    assert torch.equal(extractor.network.blocks[3].attn.qkv.weight, network.blocks[3].attn.qkv.weight)


def test_the_released_scaling_leaves_pixels_undivided(tmp_path: Path) -> None:
    from zigbench.evaluation.extractors.dinov2 import DinoV2

    some = images(0, 2, side=30)
    usual, released = (object.__new__(DinoV2) for _ in range(2))
    for extractor, divisor in ((usual, 255.0), (released, 1.0)):
        torch.nn.Module.__init__(extractor)
        extractor.divisor = divisor
        extractor.mean, extractor.deviation = torch.zeros(1), torch.ones(1)
    torch.testing.assert_close(released.prepare(some), 255 * usual.prepare(some))
    assert released.prepare(some).shape == (2, 3, 224, 224)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"something": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other\.safetensors does not hold the weights of DINOv2 small"):
        load_extractor("dinov2-small", tmp_path, weights=tmp_path / "other.safetensors")
