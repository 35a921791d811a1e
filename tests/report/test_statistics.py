"""Statistics against closed forms, scipy and published critical values."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from zigbench.report import statistics

finite = st.floats(-1e3, 1e3, allow_nan=False)


def table(**rows: list[float]) -> pd.DataFrame:
    return pd.DataFrame(rows).T


def test_mean_interval_has_the_closed_form() -> None:
    # n = 3: t(2) at 97.5 % is 4.30265; s of (1, 2, 3) is 1.
    found = statistics.mean_interval([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.half == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert found.n == 3


def test_mean_interval_without_enough_values_claims_nothing() -> None:
    one, none = statistics.mean_interval([5.0]), statistics.mean_interval([math.nan, math.inf])
    assert one.mean == 5.0
    assert math.isnan(one.low)
    assert math.isnan(none.mean)
    assert none.n == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(finite, finite), min_size=3, max_size=12))
def test_paired_effect_is_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    a, b = (pd.Series([p[i] for p in pairs]) for i in (0, 1))
    if np.ptp(a - b) < 1e-6:
        return
    reference = stats.ttest_rel(a, b)
    interval = reference.confidence_interval()
    found = statistics.paired_effect(a, b)
    assert found.p == pytest.approx(reference.pvalue, rel=1e-6, abs=1e-12)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(finite, finite), min_size=2, max_size=8))
def test_paired_effect_is_antisymmetric(pairs: list[tuple[float, float]]) -> None:
    a, b = (pd.Series([p[i] for p in pairs]) for i in (0, 1))
    there, back = statistics.paired_effect(a, b), statistics.paired_effect(b, a)
    assert there.estimate.mean == pytest.approx(-back.estimate.mean, abs=1e-9)
    assert there.p == pytest.approx(back.p)


def test_paired_effect_counts_only_shared_finite_seeds() -> None:
    a = pd.Series({0: 1.0, 1: 2.0, 2: 4.0, 3: math.nan})
    b = pd.Series({1: 1.0, 2: 1.0, 3: 1.0, 4: 9.0})
    found = statistics.paired_effect(a, b)
    assert found.estimate.n == 2
    assert found.estimate.mean == pytest.approx(2.0)


@pytest.mark.parametrize(("shift", "p"), [(0.0, 1.0), (0.5, 0.0)])
def test_constant_difference_takes_the_limit(shift: float, p: float) -> None:
    b = pd.Series([1.0, 2.0, 3.0])
    found = statistics.paired_effect(b + shift, b)
    assert found.p == p
    assert found.separated == (shift != 0)


def test_one_pair_is_never_separated() -> None:
    found = statistics.paired_effect(pd.Series([1.0]), pd.Series([9.0]))
    assert not found.separated
    assert found.sign == 0


def test_holm_on_a_worked_example() -> None:
    # Sorted .005 .01 .03 .04 times 4 3 2 1 = .02 .03 .06 .04, made monotone.
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_lies_between_none_and_bonferroni(p: list[float]) -> None:
    adjusted = statistics.holm(p)
    assert all(a <= b <= min(1, a * len(p)) + 1e-12 for a, b in zip(p, adjusted, strict=True))
    assert [p[i] for i in np.argsort(adjusted, kind="stable")] == pytest.approx(sorted(p)) or len(set(adjusted)) < len(
        p
    )


def test_holm_leaves_out_what_was_not_tested() -> None:
    adjusted = statistics.holm([0.01, math.nan, 0.02])
    assert adjusted[0] == pytest.approx(0.02)
    assert math.isnan(adjusted[1])


def test_a_test_that_an_axis_repeats_counts_once() -> None:
    values = table(a=[1.0, 2.3, 3.1], b=[0.4, 1.9, 2.2], home=[0.3, 1.1, 1.9])
    once = statistics.effects(values, [("a", "home"), ("b", "home")])
    # As a loss under another number of sampler steps: the same runs' figures again, baseline included.
    again = values.rename(index=lambda arm: f"{arm} · 8")
    pairs = [("a", "home"), ("b", "home"), ("a · 8", "home · 8"), ("b · 8", "home · 8")]
    every = statistics.effects(pd.concat([values, again]), pairs)
    assert [effect.p_holm for effect in every] == [effect.p_holm for effect in (*once, *once)]
    assert min(effect.p_holm for effect in once) == pytest.approx(2 * min(effect.p for effect in once))


def test_within_seeds_of_two_arms_is_the_paired_interval() -> None:
    # For k = 2 the Cousineau-Morey half width is that of the paired difference over √2.
    values = table(a=[1.0, 2.3, 3.1], b=[0.4, 1.9, 2.2])
    found = statistics.within_seeds(values)
    paired = statistics.paired_effect(values.loc["a"], values.loc["b"]).estimate
    assert found["a"].half == pytest.approx(paired.half / math.sqrt(2))
    assert found["a"].mean - found["b"].mean == pytest.approx(paired.mean)


def test_within_seeds_ignores_what_all_arms_share() -> None:
    values = table(a=[1.0, 2.0, 3.5], b=[0.4, 1.9, 2.2], c=[2.0, 2.5, 3.0])
    moved = values + np.array([10.0, -20.0, 10.0])
    here, there = statistics.within_seeds(values), statistics.within_seeds(moved)
    assert all(here[arm].half == pytest.approx(there[arm].half) for arm in "abc")


def test_standing_marks_a_leader_only_when_separated() -> None:
    apart = table(a=[1.0, 1.1, 1.2], b=[2.0, 2.1, 2.2001], c=[3.0, 3.1, 3.2001])
    assert statistics.standing(apart, higher_is_better=False) == statistics.Standing("a", True, ())
    assert statistics.standing(apart, higher_is_better=True).leader == "c"
    near = table(a=[1.0, 1.1, 1.2], b=[0.9, 1.3, 1.15], c=[3.0, 3.1, 3.2001])
    found = statistics.standing(near, higher_is_better=False)
    assert not found.separated
    # Not separated is not equal: equality takes a margin, here one that the 90 % interval of b − a lies within.
    assert found.level == ()
    assert statistics.standing(near, higher_is_better=False, margin=1.0).level == ("b",)
    assert statistics.standing(near, higher_is_better=False, margin=0.1).level == ()


@settings(max_examples=30, deadline=None)
@given(st.floats(-3, 3), st.floats(0.1, 10))
def test_power_law_recovers_an_exact_law(exponent: float, scale: float) -> None:
    x = [64.0, 256.0, 1024.0, 4096.0]
    found = statistics.power_law(x, [scale * v**exponent for v in x])
    assert found.exponent == pytest.approx(exponent, abs=1e-6)
    assert found.scale == pytest.approx(scale, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.01, 100), min_size=3, max_size=6))
def test_power_law_is_the_regression_of_logarithms(y: list[float]) -> None:
    if np.ptp(y) < 1e-6:  # scipy gives no error for a level line.
        return
    x = [64.0 * 2**i for i in range(len(y))]
    found, fit = statistics.power_law(x, y), stats.linregress(np.log(x), np.log(y))
    half = stats.t.ppf(0.975, len(y) - 2) * fit.stderr
    assert (found.exponent, np.log(found.scale)) == pytest.approx((fit.slope, fit.intercept), rel=1e-6, abs=1e-6)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=1e-5, abs=1e-6)


def test_power_law_needs_two_sizes() -> None:
    with pytest.raises(ValueError, match="two different sizes"):
        statistics.power_law([64, 64], [1.0, 2.0])


def test_sign_flips_are_counted_exactly() -> None:
    # All of one sign: the observed choice and its mirror image out of 2^n.
    for n in range(1, 11):
        assert statistics.sign_flip_p([1.0 + k for k in range(n)]) == 2 ** (1 - n)
    # Sums of ±1 ± 2: |3| twice of four.
    assert statistics.sign_flip_p([1.0, 2.0]) == 0.5
    assert statistics.sign_flip_p([1.0, -1.0]) == 1.0
    assert math.isnan(statistics.sign_flip_p([]))
    assert math.isnan(statistics.sign_flip_p([1.0] * 11))


@settings(max_examples=30, deadline=None)
@given(st.lists(finite, min_size=3, max_size=10), st.floats(1e-3, 1e3))
def test_equivalence_is_the_interval_of_90_percent_inside_the_margin(differences: list[float], margin: float) -> None:
    if np.ptp(differences) < 1e-6:
        return
    interval = stats.ttest_1samp(differences, 0.0).confidence_interval(0.9)
    inside = -margin < interval.low and interval.high < margin
    p = statistics.equivalence_p(differences, margin)
    if abs(p - 0.05) > 1e-6:
        assert (p < 0.05) == inside


def test_equivalence_needs_a_positive_margin() -> None:
    with pytest.raises(ValueError, match="a margin of equality is positive; it is 0"):
        statistics.equivalence_p([1.0, 2.0], 0.0)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_the_detectable_effect_is_found_with_probability_80_percent(n: int) -> None:
    differences = np.random.default_rng(n).standard_normal(n)
    effect = statistics.detectable_effect(differences)
    shift = effect / (differences.std(ddof=1) / math.sqrt(n))
    critical = stats.t.ppf(0.975, n - 1)
    assert stats.nct.sf(critical, n - 1, shift) == pytest.approx(0.8, abs=1e-6)


def test_the_detectable_effect_of_many_pairs_is_the_normal_one() -> None:
    differences = np.random.default_rng(0).standard_normal(10_000)
    normal = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * differences.std(ddof=1) / 100
    assert statistics.detectable_effect(differences) == pytest.approx(normal, rel=1e-3)


def test_a_test_is_known_by_its_figures_whichever_arm_comes_first() -> None:
    key = statistics.pair_key([1.0, 2.0, math.nan], [0.5, 3.0, 1.0])
    assert key == statistics.pair_key([0.5, 3.0], [1.0, 2.0]) == statistics.pair_key([3.0, 0.5], [2.0, 1.0])
    assert key != statistics.pair_key([0.5, 2.0], [1.0, 3.0])


def test_a_known_verdict_of_a_larger_family_is_taken_as_it_is() -> None:
    values = table(a=[1.0, 2.3, 3.1], b=[0.4, 1.9, 2.2], home=[0.3, 1.1, 1.9])
    known = {statistics.pair_key(values.loc["home"], values.loc["a"]): 0.9}
    a, b = statistics.effects(values, [("a", "home"), ("b", "home")], known)
    assert a.p_holm == 0.9
    assert b.p_holm == pytest.approx(b.p)


@pytest.mark.parametrize("groups", [([1.0, 1.2, 0.9], [2.0, 2.2, 1.7, 2.1]), ([1.0, 1.4], [1.1, 0.9, 1.6])])
def test_the_interaction_of_two_data_sets_is_welchs_t_test(groups: tuple[list[float], list[float]]) -> None:
    assert statistics.interaction_p(groups) == pytest.approx(stats.ttest_ind(*groups, equal_var=False).pvalue)


def test_the_interaction_of_three_data_sets_is_welchs_analysis_of_variance() -> None:
    groups = [[1.0, 1.2, 0.9, 1.1], [2.0, 2.2, 1.7, 2.1], [1.4, 1.5, 1.1, 1.9]]
    w = np.array([4 / np.var(g, ddof=1) for g in groups])
    means = np.array([np.mean(g) for g in groups])
    spread = float((w * (means - (w @ means) / w.sum()) ** 2).sum()) / 2
    h = float(((1 - w / w.sum()) ** 2 / 3).sum())
    reference = stats.f.sf(spread / (1 + 2 / 8 * h), 2, 8 / (3 * h))
    assert statistics.interaction_p(groups) == pytest.approx(reference)


def test_no_interaction_is_claimed_without_two_runs_on_each_of_two_sets() -> None:
    assert math.isnan(statistics.interaction_p([[1.0, 2.0], [1.0]]))
    assert statistics.interaction_p([[1.0, 1.0], [2.0, 2.0]]) == 0.0
    assert statistics.interaction_p([[1.0, 1.0], [1.0, 1.0]]) == 1.0


def test_the_mean_over_data_sets_weighs_them_alike_and_has_welchs_interval() -> None:
    a, b = [1.0, 1.2, 0.9], [2.0, 2.2, 1.7, 2.1, 2.0]
    found = statistics.mean_of_groups([a, [-value for value in b]])
    reference = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert found.mean == pytest.approx((np.mean(a) - np.mean(b)) / 2)
    assert (found.low, found.high) == pytest.approx((reference.low / 2, reference.high / 2))
    assert math.isnan(statistics.mean_of_groups([a, [1.0]]).low)


def test_one_run_far_from_the_others_of_its_arm_is_an_outlier() -> None:
    seeds = np.array([0.0, 0.3, -0.2, 0.1])
    noise = np.random.default_rng(0).normal(0, 0.01, (4, 4))
    values = pd.DataFrame(1 + seeds + noise, index=list("abcd"), columns=list("0123"))
    assert statistics.outliers(values) == []
    values.loc["b", "2"] += 0.5
    assert statistics.outliers(values) == [("b", "2")]
    assert statistics.outliers(values[["0", "1"]]) == []
