"""The number of threads where nobody has set it: no more than there are idle cores."""

from __future__ import annotations

import pytest
import torch

from zigbench.training import threads
from zigbench.training.threads import idle_threads, leave_busy_cores, passes_by_threads


def test_threads_are_as_many_as_idle_cores_and_at_least_one():
    assert idle_threads(8, 8, 0.0) == 8
    assert idle_threads(8, 8, 3.0) == 5
    assert idle_threads(2, 2, 17.0) == 1
    assert idle_threads(4, 16, 2.0) == 4


def test_a_number_that_was_set_is_kept(monkeypatch, recwarn):
    monkeypatch.setattr(threads.host_memory, "available_cores", lambda: torch.get_num_threads())
    monkeypatch.setattr(threads.os, "getloadavg", lambda: (99.0, 99.0, 99.0))
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    leave_busy_cores()
    assert torch.get_num_threads() == before
    monkeypatch.delenv("OMP_NUM_THREADS")
    torch.set_num_threads(3)
    try:
        monkeypatch.setattr(threads.host_memory, "available_cores", lambda: 4)
        leave_busy_cores()  # Fewer than the cores: the program chose it.
        assert torch.get_num_threads() == 3
        assert not recwarn.list
        monkeypatch.setattr(threads.host_memory, "available_cores", lambda: 3)
        with pytest.warns(UserWarning, match="1 of 3 threads, since other processes use the cores"):
            leave_busy_cores()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_each_number_of_threads_has_a_speed_and_the_former_number_is_restored():
    before = torch.get_num_threads()
    assert all(speed > 0 for speed in passes_by_threads(0.01).values())
    assert torch.get_num_threads() == before
