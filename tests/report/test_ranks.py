"""Ranks against closed forms, scipy and published critical values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from zigbench.report import ranks


def table(**rows: list[float]) -> pd.DataFrame:
    return pd.DataFrame(rows).T


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=15))
def test_kendall_of_the_means_is_scipys(pairs: list[tuple[int, int]]) -> None:
    published = {str(i): float(p[0]) for i, p in enumerate(pairs)}
    measured = pd.DataFrame({"0": {str(i): float(p[1]) for i, p in enumerate(pairs)}})
    reference = stats.kendalltau(*zip(*pairs, strict=True)).statistic
    assert ranks.kendall(published, measured).tau == pytest.approx(reference, nan_ok=True)


def test_the_interval_of_kendalls_tau_is_the_bootstrap_over_seeds() -> None:
    published = {"a": 1.0, "b": 2.0, "c": 3.0}
    measured = table(a=[1.0, 2.0, 1.5], b=[2.0, 1.0, 1.6], c=[3.0, 3.0, 0.5])
    found = ranks.kendall(published, measured)
    taus = [
        stats.kendalltau([1, 2, 3], measured.to_numpy()[:, list(drawn)].mean(axis=1)).statistic
        for drawn in itertools.product(range(3), repeat=3)
    ]
    assert (found.low, found.high) == pytest.approx(tuple(np.nanquantile(taus, [0.025, 0.975])))
    assert found.single == pytest.approx((1.0, 1 / 3, -1 / 3))
    assert found.n == 3


def test_an_order_that_every_seed_shows_has_an_interval_at_its_end_and_one_seed_none() -> None:
    published = {"a": 1.0, "b": 2.0, "c": 3.0}
    measured = table(a=[1.0, 1.1], b=[2.0, 2.1], c=[3.0, 3.1])
    found = ranks.kendall(published, measured)
    assert (found.tau, found.low, found.high) == (1, 1, 1)
    assert math.isnan(ranks.kendall(published, measured[[0]]).low)
    assert math.isnan(ranks.kendall({"a": 1.0}, measured).tau)


def test_more_seeds_are_resampled_the_same_way_each_time() -> None:
    values = pd.DataFrame(np.random.default_rng(0).normal(size=(4, 6)), index=list("abcd"))
    published = dict(zip("abcd", range(4), strict=True))
    assert ranks.kendall(published, values) == ranks.kendall(published, values)


# Demšar (2006), table 5a: critical values q_0.05 of the two-tailed Nemenyi test.
@pytest.mark.parametrize(("k", "q"), [(3, 2.343), (4, 2.569), (5, 2.728), (7, 2.949), (10, 3.164)])
def test_critical_difference_has_the_published_critical_values(k: int, q: float) -> None:
    values = pd.DataFrame(np.random.default_rng(0).normal(size=(k, 6)))
    found = ranks.friedman(values, higher_is_better=False)
    assert found.critical_difference == pytest.approx(q * math.sqrt(k * (k + 1) / 36), rel=5e-4)


def test_friedman_is_scipys_and_its_closed_form() -> None:
    values = pd.DataFrame(np.random.default_rng(1).normal(size=(4, 7)), index=list("abcd"))
    found = ranks.friedman(values, higher_is_better=True)
    reference = stats.friedmanchisquare(*values.to_numpy())
    k, n = 4, 7
    closed = 12 * n / (k * (k + 1)) * (sum(r**2 for r in found.mean_ranks.values()) - k * (k + 1) ** 2 / 4)
    assert found.statistic == pytest.approx(reference.statistic)
    assert found.statistic == pytest.approx(closed)
    assert sum(found.mean_ranks.values()) == pytest.approx(k * (k + 1) / 2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=4, max_size=4), min_size=3, max_size=6))
def test_friedman_corrects_for_ties_as_scipy_does(rows: list[list[int]]) -> None:
    values = pd.DataFrame(rows, dtype=float)
    if (values.nunique(axis="index") == 1).all():
        return
    found = ranks.friedman(values, higher_is_better=False)
    reference = stats.friedmanchisquare(*rows)
    assert (found.statistic, found.p) == pytest.approx((reference.statistic, reference.pvalue), rel=1e-9, abs=1e-12)


def test_friedman_says_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="2 seeds"):
        ranks.friedman(table(a=[1.0, math.nan], b=[1.0, 2.0], c=[2.0, 3.0]), higher_is_better=False)


def test_friedman_refuses_arms_that_are_all_equal() -> None:
    with pytest.raises(ValueError, match="nothing to rank"):
        ranks.friedman(table(a=[1.0, 2.0], b=[1.0, 2.0], c=[1.0, 2.0]), higher_is_better=False)
