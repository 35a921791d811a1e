"""Ratios to held-out real images: 1 for these images themselves, and the mean of several."""

from __future__ import annotations

import pytest
import torch

from zigbench.evaluation import read_protocols
from zigbench.evaluation.context import EvaluationContext
from zigbench.evaluation.extractors.features import extract_features
from zigbench.evaluation.images import RealImages
from zigbench.evaluation.measure import evaluate
from zigbench.evaluation.metrics.frechet import distance_between, frechet_distance
from zigbench.evaluation.metrics.frechet_ratio import measure
from zigbench.evaluation.references import Reference
from zigbench.interpolant import Interpolant
from zigbench.spec import registry


@pytest.fixture
def context(network, digits, make_spec, tmp_path, cache) -> EvaluationContext:
    spec = make_spec(evaluation__metrics=["frechet_ratio_digits"])
    return EvaluationContext(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache)


def test_the_distance_of_statistics_is_that_of_their_features() -> None:
    a, b = (torch.randn(40, 5, generator=torch.Generator().manual_seed(k)) + k for k in range(2))
    assert distance_between(Reference.of(a), Reference.of(b)) == pytest.approx(frechet_distance(a, Reference.of(b)))


def test_samples_that_are_the_held_out_images_have_a_ratio_of_one(context, digits) -> None:
    metric = registry.metrics.get("frechet_random_ratio")
    images = RealImages(digits.split("held-out"))
    context._features["random"] = extract_features(context.extractor("random"), images, ["features"])
    (measured,) = measure(context, metric)
    assert measured.value == pytest.approx(1, rel=1e-6)
    assert measured.note == ""


def test_the_mean_is_that_of_its_parts_which_are_measured_too(network, digits, make_spec, tmp_path, cache) -> None:
    names = ["frechet_random", "frechet_ratio_digits"]
    spec = make_spec(evaluation__metrics=names)
    measured = evaluate(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache)
    values = {m.name: m for m in measured}
    parts = [values[f"frechet_{name}_ratio"] for name in ("digits", "random")]
    assert values["frechet_ratio_digits"].value == pytest.approx(sum(part.value for part in parts) / 2)
    protocols = read_protocols(tmp_path)
    for part in parts:
        assert part.interval[0] < part.value < part.interval[1]
        assert part.protocol in protocols[values["frechet_ratio_digits"].protocol].estimator
    held_out = len(digits.split("held-out"))
    assert f"over that of {held_out} held-out real images" in protocols[parts[1].protocol].estimator
    assert parts[1].note.startswith(f"{held_out} real images against 60 samples")


def test_a_reference_of_the_held_out_images_leaves_no_ratio(network, digits, make_spec, tmp_path, cache) -> None:
    spec = make_spec(evaluation__metrics=["frechet_ratio_digits"], evaluation__reference="held-out")
    (measured,) = evaluate(network, Interpolant(), digits, spec, folder=tmp_path, cache=cache)
    assert measured.value is None
    assert "the reference is the held-out images" in measured.note
