"""Laws of the status: the counts are always in sight, and what a reader must know stands below them."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from zigbench.cli.status import suite_status, total_status
from zigbench.launch import Item, plan
from zigbench.records.environment import environment
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.spec import RunSpec
from zigbench.suite import Cell


@pytest.fixture
def items(tmp_path, tiny) -> list[Item]:
    """More runs at work than a terminal has lines, each with more to say than a line holds."""
    made = []
    for seed in range(27):
        spec = RunSpec.parse({**tiny, "seed": seed})
        folder = RunFolder.of(spec, tmp_path)
        folder.submit(spec)
        folder.progress.write_text(json.dumps({"phase": "a long word or two " * 5, "done": 1, "total": 2}))
        made.append(Item(Cell({"curve": "hilbert", "seed": str(seed)}, spec), folder, "running"))
    return made


@pytest.mark.parametrize("height", [3, 24, 30, 100])
@pytest.mark.parametrize("others", [0, 2])
def test_a_watched_status_fits_its_terminal_down_to_the_counts(items, others, height):
    items[:others] = [Item(item.cell, item.folder, "foreign") for item in items[:others]]
    console = Console(width=80, height=height)
    lines = console.render_lines(suite_status(items, room=console.height)[0])
    assert len(lines) < max(height, 3)
    text = ["".join(segment.text for segment in line).strip() for line in lines]
    assert any(line.startswith("27 runs: ") for line in text)
    assert any(line.startswith("foreign: ") for line in text) == bool(others)
    assert sum("hilbert" in line for line in text) <= max(0, height - 4 - bool(others))
    assert height < 100 or sum("hilbert" in line for line in text) == 27


def test_runs_that_nobody_does_are_interrupted_or_missing(tmp_path, tiny):
    cells = [Cell({"seed": str(seed)}, RunSpec.parse({**tiny, "seed": seed})) for seed in range(2)]
    for cell in cells:
        RunFolder.of(cell.spec, tmp_path).submit(cell.spec)
    (RunFolder.of(cells[0].spec, tmp_path).path / "checkpoints" / "000000003").mkdir(parents=True)
    items = plan(cells, tmp_path)
    assert [run["state"] for run in items.to_json()["runs"]] == ["interrupted", "missing"]
    assert len(items.todo) == 2
    console = Console(width=100)
    with console.capture() as said:
        table, changing = suite_status(items.items)
        console.print(table, total_status(tmp_path)[0])
    assert "resumes from step 3" in said.get()
    assert "2 runs: 1 interrupted, 1 missing" in said.get()
    assert "submitted" not in said.get()
    assert not changing


def test_runs_of_other_code_than_submitted_are_counted(tmp_path, tiny):
    cells = [Cell({"seed": str(seed)}, RunSpec.parse({**tiny, "seed": seed})) for seed in range(3)]
    for cell, facts in zip(cells, ({}, {"submitted_code": {"commit": "a"}}), strict=False):
        folder = RunFolder.of(cell.spec, tmp_path)
        folder.submit(cell.spec)
        Record(
            id=folder.id, status="ok", spec=cell.spec.resolved(), environment=environment(device="cpu", **facts)
        ).write(folder.record)
    console = Console(width=100)
    with console.capture() as said:
        console.print(suite_status(plan(cells, tmp_path).items)[0])
    assert "\n3 runs: 2 ok, 1 missing.\n1 done with other code than submitted" in said.get()
