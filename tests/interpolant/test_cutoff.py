"""Times are held next to an end only where something is not finite there."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from zigbench.interpolant import PATHS, PREDICTIONS, Interpolant

ENDS = torch.tensor([0.0, 1.0], dtype=torch.float64)


@pytest.mark.parametrize("path", ["linear", "gvp", "sub-vp", "ve"])
def test_a_predicted_velocity_is_used_at_both_ends(path: str):
    clamped = Interpolant(path, "velocity").clamp(ENDS, "velocity", "noise", "data")
    assert clamped.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("cutoff", [1e-2, 1e-3])
def test_what_is_held_is_held_at_the_ratio_of_the_cutoff(cutoff: float):
    for path in ("linear", "gvp", "polynomial", "cosine", "linear-vp"):
        interpolant = Interpolant(path, "noise", cutoff=cutoff)
        state = interpolant.state(interpolant.clamp(ENDS, "data"))
        assert float(state.alpha[0] / state.sigma[0]) == pytest.approx(cutoff, rel=1e-9), path
        assert float(state.sigma[1]) == 0.0  # Without noise the data are x itself.


def test_the_score_is_held_where_there_is_no_noise_and_ve_is_not():
    clamped = Interpolant("linear", "score").clamp(ENDS)
    assert clamped.tolist() == pytest.approx([0.0, 1 / 1.001])
    assert Interpolant("ve", "score").clamp(ENDS, "velocity", "data").tolist() == [0.0, 1.0]


@pytest.mark.parametrize(("path", "prediction"), list(product(PATHS, PREDICTIONS)))
def test_inner_times_are_never_moved(path: str, prediction: str):
    inner = torch.linspace(0.05, 0.993, 50, dtype=torch.float64)
    clamped = Interpolant(path, prediction).clamp(inner, *PREDICTIONS)
    assert torch.equal(clamped, inner)


def test_each_end_has_its_own_ratio_and_nothing_else_changes():
    interpolant = Interpolant("linear", "score", "likelihood", "edm", mean=-1.0)
    other = interpolant.with_cutoff((0.25, 0.1))
    assert other.clamp(ENDS, "data").tolist() == pytest.approx([0.2, 1 / 1.1])
    assert interpolant.cutoff == (1e-3, 1e-3)
    assert other.with_cutoff(1e-3) == interpolant


@pytest.mark.parametrize("cutoff", [0.0, 1.0, -1e-3, (0.1, 1.0)])
def test_an_impossible_cutoff_is_refused(cutoff: float):
    with pytest.raises(ValueError, match="it must lie between 0 and 1"):
        Interpolant(cutoff=cutoff)
