"""The extrapolated Fréchet distance: the line, the sizes, and Gaussians whose true distance is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.evaluation.metrics.frechet import frechet_distance, resampled
from zigbench.evaluation.metrics.frechet_infinity import POINTS, intercept, subset_sizes, subsets
from zigbench.evaluation.metrics.intervals import UndefinedStatisticError
from zigbench.evaluation.references import Reference


@given(a=st.floats(-10, 10), b=st.floats(-1e4, 1e4), count=st.integers(40, 5_000))
def test_a_line_in_the_inverse_of_the_number_is_followed_to_infinity(a: float, b: float, count: int) -> None:
    sizes = subset_sizes(count, 4)
    assert intercept(sizes, [a + b / size for size in sizes]) == pytest.approx(a, abs=1e-6)


def test_the_fit_is_that_of_least_squares() -> None:
    sizes = subset_sizes(1_000, 16)
    values = np.random.default_rng(0).standard_normal(len(sizes))
    assert intercept(sizes, values) == pytest.approx(
        np.polynomial.polynomial.polyfit(1 / np.array(sizes), values, 1)[0]
    )


@pytest.mark.parametrize(
    ("count", "width", "smallest"), [(50_000, 2_048, 5_000), (5_000, 2_048, 2_500), (5_000, 32, 500), (20, 2_048, 10)]
)
def test_subsets_are_of_the_authors_sizes_and_large_enough_for_a_covariance(count, width, smallest) -> None:
    sizes = subset_sizes(count, width)
    assert (sizes[0], sizes[-1]) == (smallest, count)
    assert len(sizes) == min(POINTS, count - smallest + 1)
    assert list(sizes) == sorted(set(sizes))


def test_too_few_samples_have_no_extrapolation() -> None:
    with pytest.raises(UndefinedStatisticError, match="19 samples are too few"):
        subset_sizes(19, 4)


def test_of_gaussians_it_lies_about_the_true_distance_and_the_plain_one_above() -> None:
    """Samples of the reference's own distribution: the true distance is 0."""
    width, count = 10, 600
    reference = Reference(np.zeros(width), np.eye(width), None, None)
    generator, plain, extrapolated = torch.Generator().manual_seed(0), [], []
    for _ in range(12):
        features = torch.randn(count, width, generator=generator, dtype=torch.float64)
        rows = subsets(count, width)
        plain.append(frechet_distance(features, reference))
        extrapolated.append(intercept([len(which) for which in rows], resampled(features, reference, rows)))
    error = np.std(extrapolated) / len(extrapolated) ** 0.5
    assert min(plain) > 0
    assert abs(np.mean(extrapolated)) < 3 * error
    assert abs(np.mean(extrapolated)) < np.mean(plain) / 5
