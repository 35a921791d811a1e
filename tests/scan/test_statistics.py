"""Figures of merit against sums over all pairs, and laws that hold for every order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zigbench import scan

curves = st.sampled_from(scan.names())
sides = st.integers(1, 9)


@given(curves, sides, sides, st.integers(0, 7))
def test_figures_equal_their_definitions(name: str, h: int, w: int, variant: int) -> None:
    order = scan.make_order(name, (h, w), variant)
    places = [divmod(int(token), w) for token in order.order]
    figures = scan.statistics(order)

    def distance(a: int, b: int) -> int:
        return abs(places[a][0] - places[b][0]) + abs(places[a][1] - places[b][1])

    steps = [distance(k, k + 1) for k in range(h * w - 1)]
    assert figures["closing_jump"] == distance(h * w - 1, 0)
    if steps:
        assert figures["continuity"] == pytest.approx(steps.count(1) / len(steps))
        assert figures["mean_jump"] == pytest.approx(sum(steps) / len(steps))
        assert figures["max_jump"] == max(steps)
        assert figures["p95_jump"] == pytest.approx(np.percentile(steps, 95))
        flat = sum(places[k][0] == places[k + 1][0] for k in range(len(steps)))
        upright = sum(places[k][1] == places[k + 1][1] for k in range(len(steps)))
        assert figures["horizontal"] == pytest.approx(flat / len(steps))
        assert figures["vertical"] == pytest.approx(upright / len(steps))
    gaps = [abs(a - b) for a in range(h * w) for b in range(a) if distance(a, b) == 1]
    if gaps:
        assert figures["neighbour_gap"] == pytest.approx(sum(gaps) / len(gaps))
        assert figures["max_neighbour_gap"] == max(gaps)
    lags, means = scan.locality(order)
    assert lags.tolist() == list(range(1, h * w))
    for lag, mean in zip(lags.tolist(), means.tolist(), strict=True):
        assert mean == pytest.approx(sum(distance(k, k + lag) for k in range(h * w - lag)) / (h * w - lag))


@given(curves, sides, sides, st.integers(0, 7))
def test_figures_are_finite_and_in_range(name: str, h: int, w: int, variant: int) -> None:
    figures = scan.statistics(scan.make_order(name, (h, w), variant))
    assert all(math.isfinite(value) for value in figures.values())
    assert 0 <= figures["continuity"] <= 1
    assert figures["horizontal"] + figures["vertical"] <= 1 + 1e-12
    assert (figures["continuity"] == 1) == (figures["max_jump"] <= 1)


@given(st.sampled_from(["zigzag", "hilbert", "spiral", "peano"]), sides, sides)
def test_symmetries_keep_distances_and_swap_directions(name: str, h: int, w: int) -> None:
    here = scan.statistics(scan.make_order(name, (h, w)))
    mirrored = scan.statistics(scan.make_order(name, (h, w), 6))
    turned = scan.statistics(scan.make_order(name, (w, h), 1))
    assert mirrored == here
    assert turned["horizontal"] == here["vertical"]
    assert {k: v for k, v in turned.items() if k not in ("horizontal", "vertical")} == {
        k: v for k, v in here.items() if k not in ("horizontal", "vertical")
    }


def test_one_token_counts_as_continuous_and_closed() -> None:
    figures = scan.statistics(scan.make_order("zigzag", (1, 1)))
    assert figures["continuity"] == figures["closed"] == 1
    assert {v for k, v in figures.items() if k not in ("continuity", "closed")} == {0.0}
    assert len(scan.locality(scan.make_order("zigzag", (1, 1)))[0]) == 0


def test_a_clip_has_temporal_steps() -> None:
    figures = scan.statistics(scan.make_order("zigzag", (4, 2, 5)))
    assert figures["temporal"] == pytest.approx(3 / 39)
    assert figures["horizontal"] + figures["vertical"] + figures["temporal"] == pytest.approx(1)


def test_hilbert_keeps_near_what_zigzag_spreads() -> None:
    # The k-step distance of a Hilbert walk grows as √k, a zigzag's as k within a row.
    hilbert, zigzag = (scan.locality(scan.make_order(name, (64, 64)), [16, 48])[1] for name in ("hilbert", "zigzag"))
    assert (hilbert < zigzag).all()


def test_many_tokens_use_lags_spaced_logarithmically() -> None:
    lags, means = scan.locality(scan.make_order("zigzag", (128, 128)))
    assert lags[0] == 1
    assert lags[-1] == 128 * 128 - 1
    assert len(lags) <= 128
    assert means[0] == 1


@pytest.mark.parametrize("lags", [[0], [16], [-1, 3]])
def test_lags_outside_the_walk_are_refused(lags: list[int]) -> None:
    with pytest.raises(ValueError, match="lags run from 1 to 15"):
        scan.locality(scan.make_order("zigzag", (4, 4)), lags)
