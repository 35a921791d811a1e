"""The Gaussian-kernel MMD against a direct sum, its laws, and its limit for a wide kernel."""

from __future__ import annotations

import math

import pytest
import torch

from zigbench.evaluation.metrics import mmd as module
from zigbench.evaluation.metrics.intervals import resampled_rows
from zigbench.evaluation.metrics.mmd import SCALE, SIGMA, mmd, resampled, unit


def normal(seed: int, count: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def direct(x: torch.Tensor, y: torch.Tensor) -> float:
    """The mean over all pairs, term by term, of features of length 1."""

    def mean(a, b) -> float:
        distances = [float((p / p.norm() - q / q.norm()).square().sum()) for p in a for q in b]
        return sum(math.exp(-d / (2 * SIGMA**2)) for d in distances) / len(distances)

    return SCALE * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


def test_it_is_the_direct_sum() -> None:
    x, y = normal(0, 14), normal(1, 9, 0.7)
    assert mmd(x, y) == pytest.approx(direct(x, y), rel=1e-9)
    assert mmd(x, y) == pytest.approx(mmd(y, x))
    assert mmd(x, x) == pytest.approx(0, abs=1e-9)
    assert mmd(3 * x, y) == pytest.approx(mmd(x, y))  # Lengths do not count.


def test_on_unit_features_so_wide_a_kernel_compares_means() -> None:
    """exp(−d²/2σ²) ≈ 1 − d²/2σ² for d ≤ 2 ≪ σ, so MMD² ≈ ‖E x − E y‖²/σ²."""
    x, y = normal(0, 60), normal(1, 80, 0.5)
    means = (unit(x).mean(0) - unit(y).mean(0)).square().sum()
    assert mmd(x, y) == pytest.approx(SCALE * float(means) / SIGMA**2, rel=0.02)


def test_pieces_change_nothing_and_a_set_is_its_own_resample(monkeypatch) -> None:
    x, y = normal(0, 30), normal(1, 20, 0.5)
    whole, rows = mmd(x, y), resampled_rows(30, 3)
    figures = resampled(x, y, rows)
    known = SCALE * float(module.kernel(unit(y), unit(y)).mean())
    assert resampled(x, y, torch.arange(30)[None])[0] + known == pytest.approx(whole)
    assert [figure + known for figure in figures] == pytest.approx([mmd(x[which], y) for which in rows])
    monkeypatch.setattr(module, "ROWS", 7)
    assert mmd(x, y) == pytest.approx(whole)
    assert resampled(x, y, rows) == pytest.approx(figures)
