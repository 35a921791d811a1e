"""A launch that outlives its terminal: done by itself, seen from outside, called off run by run."""

from __future__ import annotations

import time

from zigbench.folder import RunFolder
from zigbench.launch import cancel, launch_background, plan
from zigbench.record import Record
from zigbench.spec import Resources, RunSpec
from zigbench.suite import Cell
from zigbench.watching import log_lines

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
