"""Laws of runs that need others: they begin with the others' weights, after them, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from zigbench.cli.status import remark
from zigbench.launch import launch_background, launch_local, plan
from zigbench.launch.needs import stages
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.runs.weights import evaluation_of
from zigbench.spec import Resources, RunSpec
from zigbench.suite import Cell

RESOURCES = Resources(cpus=1, memory_gb=1.0)
STILL = {"optimizer.lr": 1e-12, "training.steps": 2, "evaluation.metrics": ["held_out_loss"], "evaluation.held_out": 64}
"""A training that leaves its weights as they are."""


def cell(name: str, tiny: dict, **changes: object) -> Cell:
    spec = RunSpec.parse({**tiny, **{key.replace("__", "."): value for key, value in changes.items()}})
    return Cell({"arm": name}, spec, RESOURCES)


@pytest.fixture
def chain(tiny) -> tuple[Cell, Cell, Cell]:
    """A run, one that begins with its weights, and one that begins with those of the second."""
    first = cell("first", {**tiny, "evaluation.metrics": ["held_out_loss"], "evaluation.held_out": 64})
    second = cell("second", {**tiny, **STILL}, training__start=f"run:{first.spec.id}")
    third = cell("third", {**tiny, **STILL}, training__start=f"run:{second.spec.id}", seed=1)
    return first, second, third


def launch(cells, root: Path, **options) -> dict[str, tuple[str, str]]:
    planned = plan(cells, root, **options)
    events = launch_local(planned, None, root, workers=2)
    return {event.run: (event.status, event.error) for event in events if event.kind == "finished"}


def held_out_loss(folder: RunFolder) -> float:
    return next(m.value for m in Record.read(folder.record).measurements if m.name == "held_out_loss")


def test_stages_follow_needs_in_any_order_of_the_plan(tmp_path, chain):
    first, second, third = chain
    planned = plan([third, first, second], tmp_path)
    assert [[item.cell for item in stage] for stage in stages(planned.todo)] == [[first], [second], [third]]
    assert not any(item.blocked for item in planned.items)


def test_a_run_begins_with_the_averaged_weights_of_another(tmp_path, chain):
    root = tmp_path / "runs"
    assert launch([chain[2], chain[1], chain[0]], root) == {each.spec.id: ("ok", "") for each in chain}
    losses = [held_out_loss(RunFolder.of(each.spec, root)) for each in chain]
    assert losses[1:] == [pytest.approx(losses[0], rel=1e-5)] * 2
    # So does one that begins with the same weights under their hash.
    stored = evaluation_of(RunFolder.of(chain[0].spec, root), root.parent).weights
    same = cell("same", chain[1].spec.resolved(), training__start=stored)
    assert same.spec.needs == ()
    launch([same], root)
    assert held_out_loss(RunFolder.of(same.spec, root)) == pytest.approx(losses[0], rel=1e-5)


def test_a_launch_in_the_background_does_them_in_turn(tmp_path, chain):
    root = tmp_path / "runs"
    assert launch_background(plan([chain[1], chain[0]], root), root, workers=1).runs == 2
    wait_until(lambda: RunFolder.of(chain[1].spec, root).record.exists())
    assert Record.read(RunFolder.of(chain[1].spec, root).record).status == "ok"


def test_what_follows_a_failure_is_blocked_and_not_lost(tmp_path, tiny, chain):
    root = tmp_path / "runs"
    first = cell("first", tiny, optimizer__lr=1e30, training__steps=40)
    second = cell("second", {**tiny, **STILL}, training__start=f"run:{first.spec.id}")
    third = cell("third", {**tiny, **STILL}, training__start=f"run:{second.spec.id}")
    ended = launch([first, second, third], root)
    assert ended[first.spec.id][0] == "diverged"
    assert {ended[each.spec.id][0] for each in (second, third)} == {"blocked"}
    assert f"needs run {first.spec.id}, which is diverged" in ended[second.spec.id][1]
    planned = plan([first, second, third], root)
    assert [item.shown for item in planned.items] == ["diverged", "blocked", "blocked"]
    assert [remark(item) for item in planned.items[1:]] == [
        f"needs run {first.spec.id}, which is diverged", f"needs run {second.spec.id}, which is blocked",
    ]  # fmt: skip
    assert planned.todo == ()
    assert len(plan([first, second, third], root, retry=["diverged"]).todo) == 3


def test_a_run_without_what_it_needs_is_not_begun(tmp_path, chain):
    root = tmp_path / "runs"
    first, second, _ = chain
    (alone,) = plan([second], root).items
    assert alone.blocked == f"needs run {first.spec.id}, which is missing"
    launch([first], root)
    assert len(plan([second], root).todo) == 1
    shutil.rmtree(RunFolder.of(first.spec, root).path / "checkpoints")
    (without,) = plan([second], root).items
    assert f"needs the weights of run {first.spec.id}" in without.blocked
    assert not RunFolder.of(second.spec, root).path.exists()


def test_weights_of_another_network_are_refused_in_words(tmp_path, tiny, chain):
    root = tmp_path / "runs"
    wider = cell("wider", {**tiny, **STILL, "backbone.config.width": 12}, training__start=f"run:{chain[0].spec.id}")
    assert launch([chain[0], wider], root)[wider.spec.id][0] == "failed"
    error = Record.read(RunFolder.of(wider.spec, root).record).error
    assert error is not None
    assert f"training.start: the weights run:{chain[0].spec.id}… are of another network" in error.message
