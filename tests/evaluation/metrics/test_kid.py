"""KID against a direct sum."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.evaluation.metrics.kid import kernel_distance, reference_features, subset_size
from zigbench.evaluation.references import Reference
from zigbench.spec import registry


def normal(seed: int, count: int, width: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def direct(x: torch.Tensor, y: torch.Tensor) -> float:
    """The unbiased estimator, summed term by term."""

    def k(a, b) -> float:
        return (float(a @ b) / len(a) + 1) ** 3

    m, n = len(x), len(y)
    within_x = sum(k(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    within_y = sum(k(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return within_x + within_y - 2 * sum(k(a, b) for a in x for b in y) / (m * n)


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_one_subset_of_everything_is_the_direct_sum(shift: float) -> None:
    x, y = normal(0, 18, 5), normal(1, 18, 5, shift)
    mean, deviation = kernel_distance(x, y, subsets=1, size=18)
    assert mean == pytest.approx(direct(x, y), rel=1e-9)
    assert deviation == 0


def test_symmetric_in_expectation_and_centred_on_zero() -> None:
    x, y = normal(0, 400, 6), normal(1, 400, 6)
    mean, deviation = kernel_distance(x, y, size=100)
    assert abs(mean) < 2 * deviation
    assert kernel_distance(x, y, subsets=1, size=400)[0] == pytest.approx(
        kernel_distance(y, x, subsets=1, size=400)[0], rel=1e-9
    )
    assert kernel_distance(x, normal(2, 400, 6, 0.5), size=100)[0] > 10 * abs(mean)


@given(samples=st.integers(4, 100_000), references=st.integers(4, 100_000))
def test_subsets_fit_into_both_sets(samples: int, references: int) -> None:
    size = subset_size(samples, references)
    assert 2 <= size <= min(1_000, samples, references)
    if min(samples, references) >= 2_000:
        assert size == 1_000


def test_the_references_drawn_from_are_named_where_they_are_not_all() -> None:
    metric, few = registry.metrics.get("kid_random"), Reference.of(normal(0, 30, 4))
    assert reference_features(metric, few)[1] == ""
    assert reference_features(metric, replace(few, count=28_000))[1] == ", drawn from 30 references"
    with pytest.raises(ValueError, match="kid_random compares features, and the reference 'shared' has statistics"):
        reference_features(metric, replace(few, features=None, name="shared"))


def test_too_large_a_subset_is_refused() -> None:
    with pytest.raises(ValueError, match="subsets of 20"):
        kernel_distance(normal(0, 10, 3), normal(1, 30, 3), size=20)
