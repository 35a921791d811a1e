"""Distributions against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zigbench.report import distributions


@given(st.floats(-200, 200), st.integers(1, 600))
def test_student_tail(t: float, freedom: int) -> None:
    assert distributions.student_tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), abs=1e-13)


@pytest.mark.parametrize("share", [0.9, 0.975, 0.995])
def test_student_quantile(share: float) -> None:
    found = [distributions.student_quantile(share, freedom) for freedom in range(1, 40)]
    assert found == pytest.approx(stats.t.ppf(share, range(1, 40)), rel=1e-8)


@given(st.floats(0, 300), st.integers(1, 60))
def test_chi_squared_tail(x: float, freedom: int) -> None:
    assert distributions.chi_squared_tail(x, freedom) == pytest.approx(stats.chi2.sf(x, freedom), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("k", [2, 3, 9, 30])
def test_studentized_range(k: int) -> None:
    assert distributions.studentized_range(0.95, k) == pytest.approx(
        stats.studentized_range.ppf(0.95, k, np.inf), rel=1e-5
    )
