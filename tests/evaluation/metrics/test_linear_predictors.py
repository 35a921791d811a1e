"""The reference predictors: closed forms on Gaussians, and the values of an independent review on the data sets."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zigbench.data.random import positions
from zigbench.evaluation.metrics.catalogue import PREDICTORS
from zigbench.evaluation.metrics.linear_predictors import LinearPredictor, moments, reference_predictors
from zigbench.evaluation.triples import held_out_errors
from zigbench.interpolant import Interpolant
from zigbench.spec import registry
from zigbench.spec.registry import load_object

from ..conftest import Split


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_moments_are_those_of_torch() -> None:
    images = normal(0, 3_000, 2, 3, 1)
    mean, covariance = moments(images)
    torch.testing.assert_close(mean, images.flatten(1).mean(0))
    torch.testing.assert_close(covariance, torch.cov(images.flatten(1).T))


@pytest.mark.parametrize("t", [0.0, 0.3, 0.7, 0.99])
def test_the_linear_predictor_is_the_regression_on_x_t(t: float) -> None:
    """Cov(v, x) Cov(x)⁻¹ by a solve, without an eigenbasis."""
    mix = normal(1, 6, 6)
    mean, covariance = normal(2, 6), mix @ mix.T
    x = normal(3, 5, 1, 2, 3)
    eye = torch.eye(6, dtype=torch.float64)
    slope = torch.linalg.solve(t**2 * covariance + (1 - t) ** 2 * eye, t * covariance - (1 - t) * eye)
    expected = mean + (x.flatten(1) - t * mean) @ slope
    found = LinearPredictor.linear(mean, covariance)(x, torch.full((5,), t))
    torch.testing.assert_close(found, expected.reshape(x.shape), rtol=1e-6, atol=1e-6)


def test_where_the_covariance_has_the_form_each_predictor_assumes_it_is_the_linear_one() -> None:
    x, t = normal(4, 7, 1, 4, 4), torch.linspace(0, 0.9, 7)
    diagonal = torch.rand(16, generator=torch.Generator().manual_seed(5), dtype=torch.float64).diag()
    level = 0.3 * torch.eye(16, dtype=torch.float64) + 0.5
    for mean, covariance, kind in (
        (normal(6, 16), diagonal, LinearPredictor.pixelwise),
        (torch.full((16,), 0.2, dtype=torch.float64), level, LinearPredictor.brightness),
    ):
        torch.testing.assert_close(kind(mean, covariance)(x, t), LinearPredictor.linear(mean, covariance)(x, t))


def test_on_one_gaussian_the_linear_predictor_reaches_the_least_loss() -> None:
    """The error left is that of the Gaussian's own posterior: mean over λ of λ / (t² λ + (1 − t)²), averaged over t."""
    scales = torch.tensor([0.2, 0.5, 1.0, 2.0], dtype=torch.float64)
    images = (scales * normal(7, 20_000, 4)).reshape(-1, 1, 2, 2)
    covariance = scales.square().diag()
    predictor = LinearPredictor.linear(torch.zeros(4, dtype=torch.float64), covariance)
    errors = held_out_errors(
        predictor, Interpolant(), Split("gaussian", images, None), count=20_000, patch=1, batch=20_000
    )
    t = errors.t[:, None]
    least = (scales**2 / (t**2 * scales**2 + (1 - t) ** 2)).mean(1)
    assert float(errors.loss.mean()) == pytest.approx(float(least.mean()), rel=0.03)


def test_what_has_no_moments_is_left_out() -> None:
    def names(images: Tensor, resident: bool = True) -> list[str]:
        split = Split("some", images, None)
        split.resident = resident
        return [name for name, _ in reference_predictors(split)]

    assert names(normal(8, 30, 1, 4, 4)) == list(PREDICTORS)
    assert names(normal(8, 16, 1, 4, 4)) == ["zero", "pixelwise", "brightness"]
    assert names(normal(8, 30, 1, 4, 4), resident=False) == ["zero"]
    assert names(normal(8, 3, 3, 32, 32)) == ["zero"]


KNOWN = {
    "photographs": (1_024, {"zero": 1.373, "pixelwise": 0.857, "brightness": 0.317, "linear": 0.200}),
    "digits": (512, {"zero": 1.734, "pixelwise": 0.731, "brightness": 1.181, "linear": 0.599}),
}
"""Triples, and the losses that a review computed with code of its own on the consecutive triples of the records."""


@pytest.mark.parametrize("name", KNOWN)
def test_the_values_of_an_independent_review_are_reproduced(name: str) -> None:
    config = registry.data.get(name)()
    data = load_object(config.loader)(config)
    held_out, train = data.split("held-out"), data.split("train")
    count, known = KNOWN[name]

    def loss(predictor) -> float:
        errors = held_out_errors(predictor, Interpolant(), held_out, count=count, patch=1, batch=256)
        return float(errors.loss.mean())

    found = {kind: loss(predictor) for kind, predictor in reference_predictors(train)}
    assert found == pytest.approx(known, abs=6e-4)
    if name == "photographs":  # The review fitted the 1,920 crops of one run of 120 steps, of seeds 0 and 1.
        for seed, reviewed in ((0, 0.206), (1, 0.205)):
            seen = train.batch(positions(seed, 0, 1_920, len(train))).x
            assert loss(LinearPredictor.linear(*moments(seen))) == pytest.approx(reviewed, abs=7e-4)
