"""The published metrics end to end, through the real InceptionV3 with random weights given by path."""

from __future__ import annotations

import pytest
import torch

from zigbench.evaluation import read_protocols
from zigbench.evaluation.extractors.catalogue import load_extractor
from zigbench.evaluation.extractors.features import extract_features
from zigbench.evaluation.measure import evaluate, prepare
from zigbench.evaluation.references import Reference, identity
from zigbench.interpolant import Interpolant

from ..image_sets import Images, images

METRICS = ("fid", "kid", "inception_score", "precision", "recall", "density", "coverage")


def test_published_metrics_against_a_shared_reference(
    network, digits, make_spec, inception_weights, tmp_path, cache
) -> None:
    extractor = load_extractor("inception", cache, weights=inception_weights)
    features = extract_features(extractor, Images(images(0, 10, channels=1)), ["pool"])["pool"]
    Reference.of(features, name="ten", content_hash="ab", extractor=identity(extractor, "pool")).save(
        tmp_path / "ten.npz"
    )
    spec = make_spec(
        evaluation__metrics=METRICS, evaluation__reference=str(tmp_path / "ten.npz"),
        evaluation__samples=10, evaluation__batch=10, evaluation__bootstrap=0,
    )  # fmt: skip
    found = evaluate(
        network, Interpolant(), digits, spec, folder=tmp_path, cache=cache, weights={"inception": inception_weights}
    )
    values = {measurement.name: measurement for measurement in found}
    assert set(values) == {*METRICS, "kid_deviation", "inception_score_deviation"}
    assert values["fid"].value > 0
    assert "the covariance is singular" in values["fid"].note
    for name in ("precision", "recall", "coverage"):
        assert 0 <= values[name].value <= 1
    protocols = read_protocols(tmp_path)
    fid = protocols[values["fid"].protocol]
    assert (fid.extractor, fid.feature, fid.weights) == ("inception-v3-compat", "pool", extractor.sha256)
    assert (fid.reference, fid.reference_count, fid.reference_hash) == ("ten", 10, "ab")
    assert (fid.samples, fid.solver, fid.steps) == (10, "euler", 2)


def test_statistics_of_one_feature_do_not_serve_another(
    network, digits, make_spec, inception_weights, tmp_path, cache
) -> None:
    extractor = load_extractor("inception", cache, weights=inception_weights)
    reference = Reference.of(images(0, 4).flatten(1).float(), extractor=identity(extractor, "pool"))
    reference.save(tmp_path / "r.npz")
    spec = make_spec(
        evaluation__metrics=["sfid"], evaluation__reference=str(tmp_path / "r.npz"),
        evaluation__samples=2, evaluation__batch=2,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"holds statistics of inception-v3-compat / pool.*/ spatial"):
        evaluate(
            network, Interpolant(), digits, spec, folder=tmp_path, cache=cache, weights={"inception": inception_weights}
        )


def test_missing_weights_stop_the_evaluation_with_directions(
    network, digits, make_spec, tmp_path, cache, monkeypatch
) -> None:
    monkeypatch.setenv("ZIGBENCH_OFFLINE", "1")
    spec = make_spec(evaluation__metrics=["fid"], evaluation__samples=2, evaluation__batch=2)
    with pytest.raises(ValueError, match=r"weights-inception.*fetch https://.*put it at"):
        prepare(digits, spec, cache=cache)
    with pytest.raises(ValueError, match=r"weights-inception.*fetch https://.*put it at"):
        evaluate(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache)


def test_metrics_carry_intervals_where_resamples_are_asked_for(
    network, digits, make_spec, inception_weights, tmp_path, cache
) -> None:
    extractor = load_extractor("inception", cache, weights=inception_weights)
    features = torch.randn(12, 2048, generator=torch.Generator().manual_seed(0))
    Reference.of(features, extractor=identity(extractor, "pool")).save(tmp_path / "r.npz")
    names = ("kid", "inception_score", "precision", "recall", "density", "coverage")
    spec = make_spec(
        evaluation__metrics=names, evaluation__reference=str(tmp_path / "r.npz"),
        evaluation__samples=10, evaluation__batch=10, evaluation__bootstrap=5,
    )  # fmt: skip
    found = evaluate(
        network, Interpolant(), digits, spec, folder=tmp_path, cache=cache, weights={"inception": inception_weights}
    )
    for measurement in found:
        if measurement.name in names:
            low, high = measurement.interval
            assert low <= high
        else:
            assert measurement.interval is None
