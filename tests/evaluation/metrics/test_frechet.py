"""The Fréchet distance against closed forms, laws, and torch-fidelity's own run over images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch_fidelity
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from zigbench.evaluation.extractors.features import extract_features
from zigbench.evaluation.extractors.random_features import RandomFeatures
from zigbench.evaluation.metrics.frechet import frechet_distance, resampled
from zigbench.evaluation.references import Reference

from ..image_sets import Images, images
from ..registered_features import RANDOM_FEATURES


def gaussian(seed: int, count: int, mean: np.ndarray, root: np.ndarray) -> torch.Tensor:
    """Features whose sample mean and covariance are exactly ``mean`` and ``root rootᵀ``."""
    raw = np.random.default_rng(seed).standard_normal((count, len(mean)))
    raw -= raw.mean(0)
    white = np.linalg.solve(np.linalg.cholesky(np.atleast_2d(np.cov(raw, rowvar=False))), raw.T).T
    return torch.from_numpy(white @ root.T + mean)


def closed_form(mean_1, root_1, mean_2, root_2) -> float:
    sigma_1, sigma_2 = root_1 @ root_1.T, root_2 @ root_2.T
    return float(np.sum((mean_1 - mean_2) ** 2) + np.trace(sigma_1 + sigma_2 - 2 * sqrtm(sigma_1 @ sigma_2).real))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**20), width=st.integers(2, 12))
def test_closed_form_between_gaussians(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    means, roots = rng.standard_normal((2, width)), rng.standard_normal((2, width, width))
    a, b = (gaussian(seed + k, 4 * width, means[k], roots[k]) for k in (0, 1))
    expected = closed_form(means[0], roots[0], means[1], roots[1])
    assert frechet_distance(a, Reference.of(b)) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_closed_form_in_one_dimension() -> None:
    """(μ₁ − μ₂)² + (s₁ − s₂)²."""
    a = gaussian(0, 50, np.array([1.0]), np.array([[2.0]]))
    b = gaussian(1, 70, np.array([4.0]), np.array([[0.5]]))
    assert frechet_distance(a, Reference.of(b)) == pytest.approx(9 + 2.25)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**20))
def test_zero_to_itself_symmetric_and_blind_to_rotation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (torch.from_numpy(rng.standard_normal((40, 6)) @ rng.standard_normal((6, 6))) for _ in range(2))
    distance = frechet_distance(a, Reference.of(b))
    assert frechet_distance(a, Reference.of(a)) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(b, Reference.of(a)) == pytest.approx(distance, rel=1e-6)
    rotation = torch.from_numpy(np.linalg.qr(rng.standard_normal((6, 6)))[0])
    assert frechet_distance(a @ rotation, Reference.of(b @ rotation)) == pytest.approx(distance, rel=1e-6)
    shift = torch.full((6,), 2.0)
    assert frechet_distance(a + shift, Reference.of(a)) == pytest.approx(24, rel=1e-6)


def test_equal_to_torch_fidelitys_own_run_over_the_same_images() -> None:
    a, b = images(0, 120), images(1, 150)
    theirs = torch_fidelity.calculate_metrics(
        input1=Images(a), input2=Images(b), feature_extractor=RANDOM_FEATURES, fid=True, cuda=False, cache=False,
        verbose=False, save_cpu_ram=True,
    )["frechet_inception_distance"]  # fmt: skip
    x, y = (extract_features(RandomFeatures(), Images(s), ["features"])["features"] for s in (a, b))
    assert frechet_distance(x, Reference.of(y)) == pytest.approx(theirs, rel=1e-4)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**20))
def test_the_symmetric_form_is_the_same_distance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (torch.from_numpy(rng.standard_normal((40, 6)) @ rng.standard_normal((6, 6))) for _ in range(2))
    reference = Reference.of(b)
    rows = torch.from_numpy(rng.integers(0, 40, (3, 30)))
    expected = [frechet_distance(a[which], reference) for which in rows]
    assert resampled(a, reference, rows) == pytest.approx(expected, rel=1e-6)


def test_one_sample_and_another_extractors_features_are_refused() -> None:
    reference = Reference.of(torch.randn(20, 4, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(ValueError, match="at least 2"):
        frechet_distance(torch.zeros(1, 4), reference)
    with pytest.raises(ValueError, match="another extractor"):
        frechet_distance(torch.zeros(5, 3), reference)
