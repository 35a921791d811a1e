"""Accounts of memory against closed forms."""

from __future__ import annotations

import mmap

import pytest
import torch
from torch import nn

from zigbench.efficiency.memory import Allocations, ProcessMemory, Saved, nbytes, static_memory

MIB = 2**20


def test_a_storage_counts_once_however_many_tensors_show_it():
    x = torch.zeros(4, 6)
    assert nbytes([x]) == 96
    assert nbytes([x, x[0], x.T, None]) == 96
    assert nbytes([x, x.clone()]) == 192


def test_what_a_network_holds_by_kind():
    network = nn.Linear(10, 3)
    optimizer = torch.optim.AdamW(network.parameters())
    assert static_memory(network, None) == {"memory_parameters": 132, "memory_gradients": 0, "memory_optimizer": 0}
    network(torch.ones(2, 10)).sum().backward()
    optimizer.step()
    found = static_memory(network, optimizer)
    assert found["memory_gradients"] == 132
    # Two moments of each parameter, and a step count for each tensor.
    assert found["memory_optimizer"] == 2 * 132 + 2 * 4


def test_allocations_follow_what_is_alive():
    weight = torch.ones(MIB // 4)
    with Allocations([weight]) as account:
        assert account.start == account.now == MIB
        a = weight + 1
        b = a * 2
        assert account.now == 3 * MIB
        del a
        assert account.now == 2 * MIB
        c = b + 1
        assert b.view(2, -1).shape[0] == 2  # A view takes nothing.
        assert account.now == 3 * MIB
        del b, c
    assert account.now == MIB
    assert account.peak == 3 * MIB


def test_a_chain_of_operations_peaks_at_two_of_its_tensors():
    x = torch.ones(MIB // 4)
    with torch.no_grad(), Allocations([x]) as account:
        for _ in range(5):
            x = x + 1
    assert account.peak == 2 * MIB  # A result beside its input, which is gone once it was the last to need it.


def test_the_operation_that_goes_beyond_the_limit_raises():
    x = torch.ones(MIB // 4)
    with Allocations([x], limit=2.5 * MIB) as account:
        y = x + 1
        with pytest.raises(MemoryError, match="GiB"):
            _ = y + 1
    assert account.peak == 3 * MIB


def test_what_a_forward_pass_keeps():
    network = nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 1))
    x = torch.randn(4, 8)
    saved = Saved([*network.parameters(), x])
    with saved.collecting():
        network(x)
    # The sigmoid's output, which the second product keeps too; weights and the input are there anyway.
    assert saved.bytes == 4 * 16 * 4


def test_the_process_s_peak_is_seen_above_its_baseline():
    memory = ProcessMemory()
    before = memory.above
    # Straight from the system: an allocator may hand out pages that the process holds already.
    with mmap.mmap(-1, 32 * MIB) as block:
        block.write(bytes([1]) * len(block))
        assert memory.above >= before + 28 * MIB
    assert memory.above >= before + 28 * MIB  # A peak stays one.
