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
from zigbench.training.batches import BatchLoader, TrainingBatch
from zigbench.training.parallel import World

CPU = torch.device("cpu")
COUNT = 23


def digits_like() -> TensorSplit:
    x = torch.arange(COUNT * 4).reshape(COUNT, 1, 2, 2).float()
    context = torch.arange(1.0, COUNT + 1)[:, None, None].expand(COUNT, 2, 3).clone()
    return TensorSplit("numbered", x, torch.arange(COUNT), context)


def feed(world: World = World(), batch: int = 12, dropout: float = 0.3, seed: int = 1, **options: str) -> BatchLoader:  # noqa: B008
    interpolant = Interpolant(**options)
    return BatchLoader(digits_like(), interpolant, seed=seed, batch=batch, dropout=dropout, world=world, device=CPU)


def same(one: TrainingBatch, other: TrainingBatch) -> bool:
    parts = ("x", "noise", "t", "label", "context")
    return all(torch.equal(getattr(one, part), getattr(other, part)) for part in parts)


@given(st.integers(0, 30))
def test_a_step_is_the_same_wherever_one_starts(start):
    whole = list(feed().walk(0, start + 2))
    later = list(feed().walk(start, start + 2))
    assert [material.step for material in later] == [start, start + 1]
    assert all(same(a, b) for a, b in zip(whole[start:], later, strict=True))


def test_steps_and_seeds_see_different_numbers():
    first, second = feed().walk(0, 2)
    other = next(feed(seed=2).walk(0, 1))
    for one in (second, other):
        assert not torch.equal(first.noise, one.noise)
        assert not torch.equal(first.t, one.t)


@pytest.mark.parametrize("coupling", ["independent", "optimal-transport"])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_processes_share_one_batch(size, coupling):
    alone = next(feed(coupling=coupling).walk(4, 5))
    shares = [next(feed(World(rank, size), coupling=coupling).walk(4, 5)) for rank in range(size)]
    for part in ("x", "noise", "t", "label", "context"):
        joined = torch.cat([getattr(share, part) for share in shares])
        assert torch.equal(joined, getattr(alone, part)), part


def test_parts_are_the_share_cut_in_order():
    material = next(feed().walk(0, 1))
    parts = list(material.parts(3))
    assert [len(part.x) for part in parts] == [4, 4, 4]
    for name in ("x", "noise", "t", "label", "context"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(material, name))


def test_label_and_context_are_dropped_together_as_often_as_asked():
    dropped = total = 0
    for material in feed(dropout=0.3).walk(0, 400):
        gone = material.label == -1
        assert torch.equal(gone, (material.context == 0).all(2).all(1))
        kept = material.label[~gone]
        assert torch.equal(material.context[~gone][:, 0, 0], kept + 1.0)
        dropped += int(gone.sum())
        total += len(gone)
    assert abs(dropped / total - 0.3) < 4 * (0.3 * 0.7 / total) ** 0.5


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (1.0, 12)])
def test_none_or_all_are_dropped(share, count):
    assert int((next(feed(dropout=share).walk(0, 1)).label == -1).sum()) == count


def test_the_split_itself_is_not_touched_by_dropping():
    source = feed(dropout=1.0)
    next(source.walk(0, 1))
    assert torch.equal(source.split.label, torch.arange(COUNT))


class FromDisk:
    """A split whose samples take a while, one of them unreadable."""

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
    """A split whose samples carry the seed of the visit."""

    varies = True

    def batch(self, indices):
        return Batch(torch.full((len(indices.indices), 1, 1, 1), float(indices.seed % 2**20)))


def test_a_split_that_varies_is_told_which_visit_it_is_whoever_reads():
    split = Varying("varying", torch.zeros(10, 1, 1, 1))

    def seeds(world: World, start: int) -> list[float]:
        read = BatchLoader(split, Interpolant(), seed=3, batch=4, dropout=0.0, world=world, device=CPU)
        return [float(material.x[0]) for material in read.walk(start, 6)]

    whole = seeds(World(), 0)
    assert len(set(whole)) == 6
    assert seeds(World(1, 2), 2) == whole[2:]
