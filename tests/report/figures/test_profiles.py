"""The figure of performance profiles: its lines are the definition, and censored problems stay in the denominator."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zigbench.report.figures.profiles import profiles, steps_of

RATIOS = st.lists(st.one_of(st.floats(1, 20), st.just(math.inf)), min_size=1, max_size=12).map(np.array)


@given(RATIOS, st.floats(1, 8))
def test_a_line_is_the_share_of_all_problems_solved_within_the_factor(ratios, factor) -> None:
    factors, shares = steps_of(ratios, 8.0)
    at = shares[np.searchsorted(factors, factor, side="right") - 1]
    assert at == pytest.approx(np.mean([ratio <= factor for ratio in ratios]))
    assert (np.diff(shares) >= 0).all()
    assert shares[-1] <= np.isfinite(ratios).mean() + 1e-12


def test_the_lines_begin_at_the_share_that_an_arm_is_first_in_and_stay_below_what_it_never_solves() -> None:
    ratios = {"fast": np.array([1.0, 1.0, 1.0, math.inf]), "slow": np.array([2.0, 1.0, 16.0, math.inf])}
    drawing = profiles(ratios)
    lines = [line.get_xydata().round(9) for line in drawing.figure.axes[0].get_lines()]
    assert lines[0].tolist() == [[1, 0.75], [8.8, 0.75]]
    assert lines[1].tolist() == [[1, 0.25], [2, 0.5], [8.8, 0.5]]
    assert "fast first in 75%, within 8× in 75%, ever in 3 of 4" in drawing.alternative
    assert "slow first in 25%, within 8× in 50%, ever in 3 of 4" in drawing.alternative
    assert "counted" in drawing.caption


def test_arms_that_solve_nothing_are_drawn_at_the_bottom() -> None:
    drawing = profiles({"a": np.full(3, math.inf), "b": np.full(3, math.inf)})
    assert all((line.get_ydata() == 0).all() for line in drawing.figure.axes[0].get_lines())
