"""Inception score and recognition at their ends."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.evaluation.metrics.inception_score import inception_score
from zigbench.evaluation.metrics.intervals import wilson_interval


def test_certain_and_evenly_spread_classes_score_their_number() -> None:
    logits = 50.0 * torch.eye(8).repeat(500, 1)
    mean, deviation = inception_score(logits, splits=1)
    assert mean == pytest.approx(8, rel=1e-6)
    assert deviation == 0


def test_samples_that_tell_nothing_score_one() -> None:
    assert inception_score(torch.zeros(50, 12)) == pytest.approx((1, 0))
    assert inception_score(50.0 * torch.eye(12)[:1].repeat(50, 1)) == pytest.approx((1, 0))


def test_fewer_samples_than_splits_are_refused() -> None:
    with pytest.raises(ValueError, match="9 samples cannot be split into 10"):
        inception_score(torch.zeros(9, 4))


@given(trials=st.integers(1, 10_000), share=st.floats(0, 1))
def test_the_interval_of_a_share_holds_it_and_stays_a_share(trials: int, share: float) -> None:
    successes = round(share * trials)
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1
    mirrored = wilson_interval(trials - successes, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_the_interval_covers_as_often_as_it_says() -> None:
    from scipy.stats import binom

    trials, truth = 200, 0.8
    inside = [low <= truth <= high for low, high in (wilson_interval(k, trials) for k in range(trials + 1))]
    covered = sum(binom.pmf(k, trials, truth) for k in range(trials + 1) if inside[k])
    assert covered == pytest.approx(0.95, abs=0.02)
