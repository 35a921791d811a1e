"""Laws of what a step trains on: a function of (seed, step), the same however many processes share it."""

from __future__ import annotations

import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.data.prefetch import batches
from zigbench.data.split import Batch, TensorSplit
from zigbench.interpolant import Interpolant
from zigbench.objectives.config import InterpolantConfig
from zigbench.objectives.interpolant import InterpolantObjective
from zigbench.training.batches import BatchLoader, TrainingBatch
from zigbench.training.parallel import World

CPU = torch.device("cpu")
COUNT = 23


def digits_like() -> TensorSplit:
    x = torch.arange(COUNT * 4).reshape(COUNT, 1, 2, 2).float()
    context = torch.arange(1.0, COUNT + 1)[:, None, None].expand(COUNT, 2, 3).clone()
    return TensorSplit("numbered", x, torch.arange(COUNT), context)


ALONE = World()


def loader(
    world: World = ALONE, batch: int = 12, label_dropout: float = 0.3, seed: int = 1, **options: str
) -> BatchLoader:
    objective = InterpolantObjective(InterpolantConfig(), Interpolant(**options))
    return BatchLoader(
        digits_like(), objective, seed=seed, batch=batch, label_dropout=label_dropout, world=world, device=CPU
    )


def same(one: TrainingBatch, other: TrainingBatch) -> bool:
    parts = ("x", "noise", "t", "label", "context")
    return all(torch.equal(getattr(one, part), getattr(other, part)) for part in parts)


@given(st.integers(0, 30))
def test_a_step_is_the_same_wherever_one_starts(start):
    whole = list(loader().batches(0, start + 2))
    later = list(loader().batches(start, start + 2))
    assert [batch.step for batch in later] == [start, start + 1]
    assert all(same(a, b) for a, b in zip(whole[start:], later, strict=True))


def test_steps_and_seeds_see_different_numbers():
    first, second = loader().batches(0, 2)
    other = next(loader(seed=2).batches(0, 1))
    for one in (second, other):
        assert not torch.equal(first.noise, one.noise)
        assert not torch.equal(first.t, one.t)


@pytest.mark.parametrize("coupling", ["independent", "optimal-transport"])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_processes_share_one_batch(size, coupling):
    alone = next(loader(coupling=coupling).batches(4, 5))
    shares = [next(loader(World(rank, size), coupling=coupling).batches(4, 5)) for rank in range(size)]
    for part in ("x", "noise", "t", "label", "context"):
        joined = torch.cat([getattr(share, part) for share in shares])
        assert torch.equal(joined, getattr(alone, part)), part


def test_parts_are_the_share_cut_in_order():
    batch = next(loader().batches(0, 1))
    parts = list(batch.parts(3))
    assert [len(part.x) for part in parts] == [4, 4, 4]
    for name in ("x", "noise", "t", "label", "context"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))


def test_label_and_context_are_dropped_together_at_the_rate_given():
    dropped = total = 0
    for batch in loader(label_dropout=0.3).batches(0, 400):
        without = batch.label == -1
        assert torch.equal(without, (batch.context == 0).all(2).all(1))
        rest = batch.label[~without]
        assert torch.equal(batch.context[~without][:, 0, 0], rest + 1.0)
        dropped += int(without.sum())
        total += len(without)
    assert abs(dropped / total - 0.3) < 4 * (0.3 * 0.7 / total) ** 0.5


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (1.0, 12)])
def test_none_or_all_are_dropped(share, count):
    assert int((next(loader(label_dropout=share).batches(0, 1)).label == -1).sum()) == count


def test_the_split_itself_is_not_touched_by_dropping():
    source = loader(label_dropout=1.0)
    next(source.batches(0, 1))
    assert torch.equal(source.split.label, torch.arange(COUNT))


class FromDisk:
    """A split with samples that take a while, one of them unreadable."""

    name, content_hash, resident = "slow", "", False

    def __init__(self, broken: int = -1) -> None:
        self.broken = broken

    def __len__(self) -> int:
        return 100

    def batch(self, indices) -> Batch:
        if int(indices[0]) == self.broken:
            raise OSError(f"sample {self.broken} can't be read")
        time.sleep(0.002 * (int(indices[0]) % 3))
        return Batch(torch.as_tensor(indices).float())


def test_batches_read_ahead_come_in_order():
    read = [int(batch.x[0]) for batch in batches(FromDisk(), lambda step: torch.tensor([step]), 3, 40)]
    assert read == list(range(3, 40))


def test_a_sample_that_cannot_be_read_fails_at_its_own_step():
    read = batches(FromDisk(broken=12), lambda step: torch.tensor([step]), 10, 30)
    assert [int(next(read).x[0]) for _ in range(2)] == [10, 11]
    with pytest.raises(OSError, match="sample 12"):
        next(read)


class Varying(TensorSplit):
    """A split with samples that carry the seed of their augmentation."""

    varies = True

    def batch(self, indices):
        return Batch(torch.full((len(indices.indices), 1, 1, 1), float(indices.seed % 2**20)))


def test_a_split_that_varies_gets_a_seed_of_its_own_each_step():
    split = Varying("varying", torch.zeros(10, 1, 1, 1))

    def seeds(world: World, start: int) -> list[float]:
        objective = InterpolantObjective(InterpolantConfig(), Interpolant())
        read = BatchLoader(split, objective, seed=3, batch=4, label_dropout=0.0, world=world, device=CPU)
        return [float(batch.x[0]) for batch in read.batches(start, 6)]

    whole = seeds(World(), 0)
    assert len(set(whole)) == 6
    assert seeds(World(1, 2), 2) == whole[2:]
