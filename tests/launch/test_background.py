"""A launch that outlives its terminal: done by itself, seen from outside, called off run by run."""

from __future__ import annotations

import json
import time

from zigbench.cli.logs import log_lines
from zigbench.launch import cancel, launch_background, plan
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.spec import Resources, RunSpec
from zigbench.suite import Cell

SMALL = Resources(cpus=1, memory_gb=1.0)


def wait_until(condition, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_runs_are_done_pending_ones_seen_and_unwanted_ones_left(tmp_path, tiny):
    root = tmp_path / "runs"
    wanted = [Cell({"seed": str(seed)}, RunSpec.parse({**tiny, "seed": seed}), SMALL) for seed in range(3)]
    sent = launch_background(plan(wanted, root), root, workers=1)
    assert (len(sent.jobs), sent.runs) == (1, 3)
    planned = plan(wanted, root)
    assert set(planned.counts()) <= {"pending", "running", "ok"}
    assert planned.todo == ()
    # A second launch at this moment finds nothing to do.
    assert launch_background(planned, root).runs == 0
    folders = [RunFolder.of(cell.spec, root) for cell in wanted]
    assert cancel([folders[2]]) == [folders[2]]
    wait_until(lambda: all(folder.record.exists() for folder in folders[:2]))
    wait_until(lambda: plan(wanted, root).counts() == {"ok": 2, "submitted": 1})
    assert {Record.read(folder.record).status for folder in folders[:2]} == {"ok"}
    lines = list(log_lines(folders[0], follow=True))
    assert lines[-1].startswith("step 4  loss ")
    assert launch_background(plan(wanted, root), root).runs == 1
    wait_until(folders[2].record.exists)


def test_classes_of_resources_are_done_one_after_another(tmp_path, tiny):
    root = tmp_path / "runs"
    wanted = [
        Cell({"seed": str(seed)}, RunSpec.parse({**tiny, "seed": seed}), resources)
        for seed, resources in enumerate((SMALL, Resources(cpus=1, memory_gb=0.5)))
    ]
    sent = launch_background(plan(wanted, root), root, workers=2)
    assert (len(sent.jobs), sent.runs) == (1, 2)
    folders = [RunFolder.of(cell.spec, root) for cell in wanted]
    assert {folder.read_job()["job"] for folder in folders} == set(sent.jobs)
    said = tmp_path / "jobs" / sent.jobs[0] / "output.txt"
    wait_until(lambda: said.read_text().count('"finished"') == 2)
    lines = [line for line in said.read_text().splitlines() if line.startswith("{")]
    events = [(event["run"], event["kind"]) for event in map(json.loads, lines)]
    assert events == [(folder.id, kind) for folder in folders for kind in ("started", "finished")]
