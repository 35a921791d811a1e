"""The sliced Wasserstein distance against closed forms, SciPy's transport, and its laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from zigbench.evaluation.metrics.intervals import UndefinedStatisticError
from zigbench.evaluation.metrics.sliced_wasserstein import (
    LINES,
    RESAMPLED_LINES,
    directions,
    resampled,
    sliced_wasserstein,
    squared_distances,
)


def normal(seed: int, count: int, width: int) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**20), count=st.integers(1, 8), other=st.integers(1, 8))
def test_along_a_line_it_is_the_cheapest_of_all_pairings(seed: int, count: int, other: int) -> None:
    """With each point repeated, so that both sets have equally many, as an assignment problem."""
    x, y = (np.random.default_rng(seed + k).standard_normal(n) for k, n in enumerate((count, other)))
    cost = (np.repeat(x, other)[:, None] - np.repeat(y, count)[None]) ** 2
    expected = cost[linear_sum_assignment(cost)].mean()
    found = squared_distances(*(torch.from_numpy(np.sort(points))[:, None] for points in (x, y)))
    assert float(found) == pytest.approx(expected, abs=1e-12)


def test_a_shift_costs_its_length_along_each_line() -> None:
    """Mean over directions θ of (θ·m)², which is |m|²/D for uniform ones."""
    x, shift = normal(0, 50, 6), torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0, 1.0], dtype=torch.float64)
    along = directions(6, LINES).T @ shift
    assert sliced_wasserstein(x + shift, x) == pytest.approx(float(along.square().mean()))
    assert sliced_wasserstein(x + shift, x) == pytest.approx(float(shift.square().sum()) / 6, rel=0.1)


def test_a_stretch_costs_its_share_of_the_variance() -> None:
    x = normal(0, 400, 6)
    expected = float((x @ directions(6, LINES)).square().mean()) * 0.5**2
    assert sliced_wasserstein(1.5 * x, x) == pytest.approx(expected)
    assert expected == pytest.approx(0.25, rel=0.1)  # (s − 1)² of unit Gaussians.


def test_zero_to_itself_symmetric_and_indifferent_to_repetition() -> None:
    x, y = normal(0, 40, 5), normal(1, 24, 5)
    assert sliced_wasserstein(x, x) == pytest.approx(0, abs=1e-20)
    assert sliced_wasserstein(x, y) == pytest.approx(sliced_wasserstein(y, x))
    assert sliced_wasserstein(torch.cat([x, x, x]), y) == pytest.approx(sliced_wasserstein(x, y))


def test_directions_are_unit_uniform_and_the_first_ones_of_more() -> None:
    few, many = directions(7, 10), directions(7, 4_000)
    assert torch.allclose(few, many[:, :10])
    assert torch.allclose(many.norm(dim=0), torch.ones(4_000, dtype=torch.float64))
    assert torch.allclose(many @ many.T / 4_000, torch.eye(7, dtype=torch.float64) / 7, atol=0.02)


def test_the_whole_set_as_its_own_resample_is_the_distance_along_the_first_lines() -> None:
    x, y = normal(0, 30, 5), normal(1, 40, 5)
    assert resampled(x, y, torch.arange(30)[None]) == pytest.approx([sliced_wasserstein(x, y, RESAMPLED_LINES)])


def test_nothing_has_no_distance() -> None:
    with pytest.raises(UndefinedStatisticError, match="0 samples and 4 references"):
        sliced_wasserstein(torch.zeros(0, 3), torch.zeros(4, 3))
