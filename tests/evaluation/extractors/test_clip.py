"""CLIP's image encoder with the weights of a tiny one, and CMMD in its features."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch_fidelity.feature_extractor_clip import FeatureExtractorCLIP

from zigbench.evaluation import read_protocols
from zigbench.evaluation.extractors.catalogue import load_extractor
from zigbench.evaluation.extractors.clip import MODEL
from zigbench.evaluation.extractors.features import extract_features
from zigbench.evaluation.images import RealImages
from zigbench.evaluation.measure import evaluate
from zigbench.evaluation.metrics.mmd import mmd
from zigbench.interpolant import Interpolant

from ..image_sets import Images, images


def test_features_are_those_of_torch_fidelitys_own_extractor(clip_weights: Path, tmp_path: Path) -> None:
    extractor = load_extractor("clip", tmp_path, weights=clip_weights)
    theirs = FeatureExtractorCLIP(MODEL, ["clip"], feature_extractor_weights_path=str(clip_weights))
    some = images(0, 5, side=20)
    found = extract_features(extractor, Images(some), ["features"])["features"]
    assert found.shape == (5, 24)
    torch.testing.assert_close(found, theirs(some)[0])
    assert "32×32" in extractor.preparation
    grey = images(1, 2, channels=1)
    torch.testing.assert_close(extractor.extract(grey), extractor.extract(grey.expand(-1, 3, -1, -1)))


def test_cmmd_is_the_discrepancy_in_these_features(clip_weights, network, digits, make_spec, tmp_path, cache) -> None:
    spec = make_spec(evaluation__metrics=["cmmd"], evaluation__reference="held-out")
    given = {"clip": clip_weights}
    (measured,) = evaluate(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache, weights=given)
    protocol = read_protocols(tmp_path)[measured.protocol]
    assert (protocol.extractor, protocol.feature, protocol.samples) == (MODEL, "features", 60)
    real = extract_features(
        load_extractor("clip", tmp_path, weights=clip_weights), RealImages(digits.split("held-out")), ["features"]
    )["features"]
    assert measured.value > 0 == pytest.approx(mmd(real, real), abs=1e-6)
    low, high = measured.interval
    assert low < measured.value < high


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth does not hold the weights of CLIP as TorchScript"):
        load_extractor("clip", tmp_path, weights=tmp_path / "other.pth")
