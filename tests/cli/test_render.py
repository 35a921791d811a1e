"""Laws of the command line's sentences on runs."""

from __future__ import annotations

import pytest

from zigbench.cli.render import TRAINING_SHARE, SpeedOfStart
from zigbench.cli.runs import with_early_pages
from zigbench.cli.status import reason
from zigbench.launch import Event, Item, plan
from zigbench.records.folder import RunFolder
from zigbench.records.record import Failure, Record
from zigbench.spec import RunSpec
from zigbench.suite import Cell, Suite, expand, grid


@pytest.mark.parametrize(
    ("message", "said"),
    [("no luck\nat all", "AssertionError: no luck"), ("", "AssertionError")],
)
def test_why_a_run_failed_is_said_in_a_line_whatever_its_error_said(tiny, tmp_path, message, said):
    spec = RunSpec.parse(tiny)
    folder = RunFolder.of(spec, tmp_path)
    folder.submit(spec)
    error = Failure(kind="AssertionError", message=message)
    Record(id=folder.id, status="failed", spec=spec.resolved(), error=error).write(folder.record)
    assert reason(Item(Cell({}, spec), folder, "failed")) == said


def test_the_time_of_a_run_is_expected_from_a_second_of_its_training():
    meter = SpeedOfStart()
    assert meter.expected("a", {}, 0.0) is None
    assert meter.expected("a", {"phase": "preparing", "done": 1, "total": 2}, 1.0) is None
    # 900 steps were done by a process that was interrupted; this one goes on from its checkpoint after 800.
    assert meter.expected("a", {"phase": "training", "done": 900, "total": 1000}, 2.0) is None
    assert meter.expected("a", {"phase": "training", "done": 900, "total": 1000}, 4.9) is None
    assert meter.expected("a", {"phase": "training", "done": 810, "total": 1000}, 5.0) is None
    assert meter.expected("a", {"phase": "training", "done": 830, "total": 1000}, 5.9) is None
    # 40 steps in two seconds: 1,000 take 50 seconds, which are the training's share of the run.
    assert meter.expected("a", {"phase": "training", "done": 850, "total": 1000}, 7.0) == pytest.approx(
        50 / TRAINING_SHARE
    )
    assert meter.expected("b", {"phase": "training", "done": 0, "total": 10}, 7.0) is None
    assert meter.expected("b", {"phase": "training", "done": 0, "total": 10}, 9.0) is None, "no step was done yet"


def test_a_page_is_written_when_a_seed_of_all_arms_is_done(tiny, tmp_path):
    suite = Suite(
        "s", "?", tiny, (grid("backbone.config.depth", (1, 2), name="arm"), grid("seed", (0, 1))), order=("seed",)
    )
    planned = plan(list(expand(suite)), [tmp_path], ())
    order = [item.folder.id for item in planned.todo]
    assert [item.cell.labels["seed"] for item in planned.todo] == ["0", "0", "1", "1"]
    written = []

    def write_page():
        written.append(last)
        return tmp_path

    for event in with_early_pages(suite, planned, (Event("finished", run, "ok") for run in order), write_page):
        last = event.run
    assert written == [order[1]], "once a seed, and the last page is the command's own"
