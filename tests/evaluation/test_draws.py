"""Noise, labels and times: functions of what they are for."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.evaluation.draws import balanced_labels, single_threaded, stratified_times


@given(count=st.integers(1, 300), classes=st.integers(1, 20))
def test_labels_are_balanced_and_in_range(count: int, classes: int) -> None:
    counts = torch.bincount(balanced_labels(range(count), classes), minlength=classes)
    assert len(counts) == classes
    assert counts.max() - counts.min() <= 1


@given(seed=st.integers(0, 1000), count=st.integers(1, 500))
def test_every_stratum_holds_one_time(seed: int, count: int) -> None:
    times = stratified_times(seed, count)
    assert ((times > 0) & (times < 1)).all()
    assert (times * count).floor().long().sort().values.tolist() == list(range(count))


def test_thread_count_is_restored() -> None:
    before = torch.get_num_threads()
    with single_threaded():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
