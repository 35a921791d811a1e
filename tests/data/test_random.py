"""Laws of the visiting order: every sample once an epoch, whatever the batch, the seed and the number of ranks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.data.random import positions, shard, step_indices

SEEDS = st.integers(0, 2**31)
COUNTS = st.integers(1, 40)


def epoch_order(seed: int, epoch: int, count: int) -> torch.Tensor:
    return positions(seed, epoch * count, (epoch + 1) * count, count)


@given(SEEDS, st.integers(0, 5), COUNTS)
def test_an_epoch_visits_every_sample_once(seed, epoch, count):
    assert sorted(epoch_order(seed, epoch, count).tolist()) == list(range(count))


@given(SEEDS, COUNTS, st.integers(1, 50), st.integers(1, 12))
def test_batches_are_the_epochs_one_after_the_other(seed, count, batch, steps):
    stream = torch.cat([step_indices(seed, step, batch, count) for step in range(steps)])
    epochs = torch.cat([epoch_order(seed, epoch, count) for epoch in range(steps * batch // count + 1)])
    assert torch.equal(stream, epochs[: steps * batch])


@given(SEEDS, COUNTS, st.integers(0, 100), st.integers(0, 60), st.integers(0, 60))
def test_the_stream_can_be_entered_anywhere(seed, count, start, first, second):
    whole = positions(seed, start, start + first + second, count)
    halves = (
        positions(seed, start, start + first, count),
        positions(seed, start + first, start + first + second, count),
    )
    assert torch.equal(whole, torch.cat(halves))


@given(st.integers(0, 100), st.integers(1, 9))
def test_ranks_share_without_loss_repetition_or_imbalance(count, world):
    shares = [shard(count, rank, world) for rank in range(world)]
    assert [i for share in shares for i in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_seeds_and_epochs_differ():
    orders = {tuple(epoch_order(seed, epoch, 50).tolist()) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_nothing_to_train_on_is_an_error():
    with pytest.raises(ValueError, match="holds no samples"):
        positions(0, 0, 3, 0)
