"""The number of threads where nobody has set it: one for a small network, whatever the load of the moment."""

from __future__ import annotations

import pytest
import torch

from zigbench.training import threads
from zigbench.training.threads import SMALL, choose_threads, passes_by_threads


@pytest.fixture
def three_threads(monkeypatch):
    """A process of three threads on as many cores, of which nobody has set the number."""
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads.host_memory, "available_cores", lambda: 3)
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_a_small_network_computes_with_one_thread_and_a_large_one_with_all(three_threads):
    choose_threads(torch.nn.Linear(1_000, SMALL // 1_000, bias=False))
    assert torch.get_num_threads() == 3
    with pytest.warns(UserWarning, match="1 of 3 threads: a network of 999,000 parameters gains little"):
        choose_threads(torch.nn.Linear(999, 1_000, bias=False))
    assert torch.get_num_threads() == 1


def test_a_number_that_was_set_is_kept(three_threads, monkeypatch, recwarn):
    small = torch.nn.Linear(2, 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    choose_threads(small)
    assert torch.get_num_threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(threads.host_memory, "available_cores", lambda: 4)
    choose_threads(small)  # Fewer than the cores: the program chose it.
    assert torch.get_num_threads() == 3
    assert not recwarn.list


def test_each_number_of_threads_has_a_speed_and_the_former_number_is_restored():
    before = torch.get_num_threads()
    assert all(speed > 0 for speed in passes_by_threads(0.01).values())
    assert torch.get_num_threads() == before
