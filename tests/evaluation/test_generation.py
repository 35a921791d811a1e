"""Samples are a function of (run, i): no number of processes, no interruption and no damage changes them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zigbench.data.split import TensorSplit
from zigbench.evaluation import generation
from zigbench.evaluation.generation import (
    BrokenSamplesError,
    Samples,
    SamplingPlan,
    balanced_labels,
    drawn_labels,
    generate,
)
from zigbench.interpolant import Interpolant
from zigbench.spec import SamplerSpec


@pytest.fixture(autouse=True)
def small_shards(monkeypatch) -> None:
    monkeypatch.setattr(generation, "SHARD", 8)


def plan(**changes) -> SamplingPlan:
    facts = {"seed": 1, "count": 30, "batch": 4, "shape": (1, 8, 8), "classes": 10, "sampler": SamplerSpec(steps=2)}
    return SamplingPlan(**{**facts, **changes})


def made(network, wanted: SamplingPlan, folder: Path, world: int = 1) -> np.ndarray:
    for rank in reversed(range(world)):
        generate(network, Interpolant(), wanted, folder, rank=rank, world=world)
    return Samples.gather(folder, wanted).images(0, wanted.count).numpy()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(count=st.integers(1, 40), batch=st.integers(1, 12), world=st.integers(1, 5))
def test_any_number_of_processes_gives_the_same_bytes(network, tmp_path_factory, count, batch, world) -> None:
    wanted = plan(count=count, batch=batch)
    alone = made(network, wanted, tmp_path_factory.mktemp("alone"))
    together = made(network, wanted, tmp_path_factory.mktemp("together"), world)
    assert alone.shape == (count, 1, 8, 8)
    assert np.array_equal(alone, together)


@pytest.mark.parametrize("solver", ["euler", "euler-maruyama"])
def test_another_batch_changes_no_more_than_rounding(network, tmp_path, solver) -> None:
    images = [
        made(network, plan(batch=batch, sampler=SamplerSpec(solver=solver, steps=4)), tmp_path / str(batch))
        for batch in (1, 4, 30)
    ]
    for other in images[1:]:
        assert np.abs(images[0].astype(int) - other.astype(int)).max() <= 1


def test_fewer_samples_are_the_first_of_more(network, tmp_path) -> None:
    more, fewer = made(network, plan(count=30), tmp_path / "a"), made(network, plan(count=17), tmp_path / "b")
    assert np.array_equal(more[:17], fewer)


def test_seeds_differ_and_samples_differ(network, tmp_path) -> None:
    a, b = made(network, plan(seed=1), tmp_path / "a"), made(network, plan(seed=2), tmp_path / "b")
    assert len({image.tobytes() for image in np.concatenate([a, b])}) == 60


@pytest.mark.parametrize("harm", ["missing", "cut", "altered", "sidecar"])
def test_what_is_damaged_is_refused_and_made_again_alone(network, tmp_path, harm) -> None:
    wanted = plan()
    whole = made(network, wanted, tmp_path)
    victim = tmp_path / "shard-00001.npy"
    content = victim.read_bytes()
    others = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy") if path != victim}
    if harm == "missing":
        victim.unlink()
    elif harm == "cut":
        victim.write_bytes(content[:-10])
    elif harm == "altered":
        victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        victim.with_suffix(".json").write_text("{")
    with pytest.raises(BrokenSamplesError, match=r"1 of 4 shards.*shard-00001"):
        Samples.gather(tmp_path, wanted)
    assert np.array_equal(made(network, wanted, tmp_path), whole)
    assert {path: path.stat().st_mtime_ns for path in others} == others


def test_shards_of_other_weights_are_not_taken_over(network, tmp_path) -> None:
    made(network, plan(identity="old"), tmp_path)
    with pytest.raises(BrokenSamplesError, match="4 of 4"):
        Samples.gather(tmp_path, plan(identity="new"))


def test_a_longer_plan_keeps_the_shards_that_are_whole(network, tmp_path) -> None:
    made(network, plan(count=16), tmp_path)
    first = (tmp_path / "shard-00000.npy").stat().st_mtime_ns
    assert len(made(network, plan(count=30), tmp_path)) == 30
    assert (tmp_path / "shard-00000.npy").stat().st_mtime_ns == first


def test_samples_are_read_back_in_any_pieces(network, tmp_path) -> None:
    whole = made(network, plan(), tmp_path)
    samples = Samples.read(tmp_path)
    assert len(samples) == 30
    assert samples.labels.tolist() == [i % 10 for i in range(30)]
    pieces = [samples.images(start, min(start + 7, 30)).numpy() for start in range(0, 30, 7)]
    assert np.array_equal(np.concatenate(pieces), whole)


def test_an_index_that_counts_more_than_there_is_is_refused(network, tmp_path) -> None:
    made(network, plan(), tmp_path)
    last = tmp_path / "shard-00003.npy"
    np.save(last, np.load(last)[:-1])
    with pytest.raises(BrokenSamplesError, match="counts 30 samples, the shards hold 29"):
        Samples.read(tmp_path)
    with pytest.raises(BrokenSamplesError, match="not a folder of gathered samples"):
        Samples.read(tmp_path / "elsewhere")


def test_a_rank_outside_its_world_is_refused(network, tmp_path) -> None:
    with pytest.raises(ValueError, match="rank 2 of 2"):
        generate(network, Interpolant(), plan(), tmp_path, rank=2, world=2)


def test_the_key_is_of_everything_a_sample_depends_on() -> None:
    base = plan()
    changes = {
        "seed": 2,
        "batch": 2,
        "shape": (1, 4, 4),
        "classes": 3,
        "sampler": SamplerSpec(steps=3),
        "identity": "x",
    }
    keys = {dataclasses.replace(base, **{name: value}).key for name, value in changes.items()}
    assert len(keys | {base.key}) == len(changes) + 1
    assert dataclasses.replace(base, count=99).key == base.key


def test_latents_are_decoded_before_they_are_quantised(network, tmp_path) -> None:
    generate(network, Interpolant(), plan(count=4), tmp_path, decode=lambda x: torch.ones(len(x), 3, 16, 16))
    images = Samples.gather(tmp_path, plan(count=4)).images(0, 4)
    assert images.shape == (4, 3, 16, 16)
    assert bool((images == 255).all())


def test_texts_reach_the_network_by_the_samples_index(tmp_path) -> None:
    seen = []

    def network(x, t, *, label=None, context=None):
        seen.append(context)
        return torch.zeros_like(x)

    def contexts(indices):
        return torch.tensor([[[float(index)]] for index in indices])

    wanted = plan(count=6, classes=None, sampler=SamplerSpec(steps=1))
    generate(network, Interpolant(), wanted, tmp_path, contexts=contexts)
    assert torch.cat(seen).flatten().tolist() == [float(index) for index in range(8)]


def test_drawn_labels_are_a_function_of_the_run_and_the_index_and_follow_their_policy(digits) -> None:
    train = digits.split("train")
    of_data = train.batch(range(len(train))).label
    rare = TensorSplit("rare", train.x[:50], (torch.arange(50) % 5 == 0).long())
    for policy in ("uniform", "data"):
        few, many = (drawn_labels(policy, 3, count, 10, train) for count in (40, 4_000))
        assert few == many[:40] != drawn_labels(policy, 4, 40, 10, train)
    assert drawn_labels("balanced", 3, 40, 10, train) is drawn_labels("uniform", 3, 40, None, train) is None
    shares = torch.bincount(torch.tensor(drawn_labels("uniform", 3, 4_000, 10, train)), minlength=10) / 4_000
    assert torch.allclose(shares, torch.full((10,), 0.1), atol=0.025)
    assert sum(drawn_labels("data", 3, 4_000, 2, rare)) / 4_000 == pytest.approx(0.2, abs=0.03)
    assert set(drawn_labels("data", 3, 200, 10, train)) == set(of_data.tolist())


def test_drawn_labels_reach_the_network_and_stand_in_the_index(tmp_path) -> None:
    seen = []

    def network(x, t, *, label=None, context=None):
        seen.append(label)
        return torch.zeros_like(x)

    wanted = plan(count=6, labels=(3, 3, 9, 0, 1, 3), sampler=SamplerSpec(steps=1))
    generate(network, Interpolant(), wanted, tmp_path)
    assert torch.cat(seen).tolist() == [3, 3, 9, 0, 1, 3, 3, 3]  # The surplus of the last block is dropped.
    gathered, again = Samples.gather(tmp_path, wanted), Samples.read(tmp_path)
    assert gathered == again
    assert again.labels.tolist() == list(wanted.labels)
    assert wanted.key != plan(count=6, sampler=SamplerSpec(steps=1)).key


@given(count=st.integers(1, 300), classes=st.integers(1, 20))
def test_labels_are_balanced_and_in_range(count: int, classes: int) -> None:
    counts = torch.bincount(balanced_labels(range(count), classes), minlength=classes)
    assert len(counts) == classes
    assert counts.max() - counts.min() <= 1
