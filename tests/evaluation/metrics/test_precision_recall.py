"""Precision, recall, density and coverage on sets made so that the answer is known."""

from __future__ import annotations

import pytest
import torch

from zigbench.evaluation.metrics.precision_recall import (
    NEIGHBOURS,
    density_coverage,
    neighbours_of,
    precision_recall,
)
from zigbench.spec import registry


def cluster(seed: int, count: int, centre: float) -> torch.Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed)) + centre


def test_a_set_against_itself_is_perfect() -> None:
    x = cluster(0, 80, 0.0)
    assert precision_recall(x, x) == (1.0, 1.0)
    # Each reference's open ball of rank k holds the reference itself and k − 1 neighbours; the k-th is on its edge.
    assert density_coverage(x, x) == (1.0, 1.0)
    far = x + 1_000  # Distances are small beside the features: their last digits are rounding.
    assert density_coverage(far, far) == (1.0, 1.0)


def test_sets_far_apart_share_nothing() -> None:
    x, y = cluster(0, 60, 0.0), cluster(1, 50, 100.0)
    assert precision_recall(x, y) == (0.0, 0.0)
    assert density_coverage(x, y) == (0.0, 0.0)


def test_a_dropped_mode_costs_recall_and_coverage_alone() -> None:
    mode, other = cluster(0, 100, 0.0), cluster(1, 100, 100.0)
    references = torch.cat([mode, other])
    precision, recall = precision_recall(mode, references)
    assert precision == 1.0
    assert recall == 0.5
    assert density_coverage(mode, references)[1] == 0.5


def test_an_invented_mode_costs_precision_alone() -> None:
    mode, invented = cluster(0, 100, 0.0), cluster(1, 100, 100.0)
    precision, recall = precision_recall(torch.cat([mode, invented]), mode)
    assert precision == 0.5
    assert recall == 1.0


def test_density_and_coverage_on_a_line() -> None:
    """References 0, 1, …, 9; k = 1, so balls reach to 1. 2.5 lies in those of 2 and 3, and 2 in its own alone."""
    references = torch.arange(10.0)[:, None]
    density, coverage = density_coverage(torch.tensor([[2.5]] * 2), references, neighbours=1)
    assert density == 2.0
    assert coverage == pytest.approx(0.2)
    assert density_coverage(torch.tensor([[2.0]] * 2), references, neighbours=1) == (1.0, pytest.approx(0.1))


def test_in_dinov2s_features_they_are_those_of_stein_et_al() -> None:
    """Their code, on distances without ties: open balls to the fifth neighbour for all four."""
    assert {neighbours_of(registry.metrics.get(f"{name}_dinov2")) for name in NEIGHBOURS} == {5}
    assert [neighbours_of(registry.metrics.get(name)) for name in ("precision", "recall_random", "density")] == [
        3,
        3,
        5,
    ]
    x, y = cluster(0, 60, 0.0).double(), cluster(1, 70, 0.6).double()
    reach = [torch.cdist(s, s).sort(1).values[:, 5] for s in (x, y)]
    across = torch.cdist(y, x)
    in_real, in_generated = across < reach[1][:, None], across < reach[0]
    expected = (in_real.any(0), in_generated.any(1), in_real.sum(0) / 5, across.min(1).values < reach[1])
    figures = (*precision_recall(x, y, 5), *density_coverage(x, y, 5))
    assert figures == pytest.approx([float(part.double().mean()) for part in expected])


def test_pieces_change_nothing(monkeypatch) -> None:
    x, y = cluster(0, 130, 0.0), cluster(1, 90, 0.8)
    whole = density_coverage(x, y)
    monkeypatch.setattr("zigbench.evaluation.metrics.precision_recall.ROWS", 17)
    assert density_coverage(x, y) == whole


def test_sets_without_neighbours_are_refused() -> None:
    with pytest.raises(ValueError, match="3 samples have no neighbour of rank 3"):
        precision_recall(cluster(0, 3, 0.0), cluster(1, 30, 0.0))
    with pytest.raises(ValueError, match="5 references have no neighbour of rank 5"):
        density_coverage(cluster(0, 30, 0.0), cluster(1, 5, 0.0))
