"""A run goes on as long as it gets on; what dies twice in one place is recorded."""

from __future__ import annotations

import pytest

from zigbench.launch.retry import JobEnd, should_retry
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.spec import RunSpec


@pytest.fixture
def run(tmp_path, tiny) -> RunFolder:
    spec = RunSpec.parse(tiny)
    folder = RunFolder.of(spec, tmp_path)
    folder.submit(spec)
    folder.output.write_text("".join(f"line {i}\n" for i in range(50)))
    return folder


def test_a_run_that_gets_on_goes_on_however_often_it_dies(run):
    for step in range(10, 200, 10):
        (run.path / f"checkpoints/{step:09d}").mkdir(parents=True)
        assert should_retry(run, JobEnd("timeout", "the time was up", str(step)))
    assert not run.record.exists()


@pytest.mark.parametrize("status", ["oom", "timeout", "failed"])
def test_a_run_that_dies_twice_in_one_place_is_recorded_with_its_last_words(run, status):
    assert should_retry(run, JobEnd("failed", "first this", "1"))
    assert not should_retry(run, JobEnd(status, "then that", "2"))
    record = Record.read(run.record)
    assert record.status == status
    assert "first this" in record.error.message
    assert "then that" in record.error.message
    assert record.error.log_tail.splitlines()[-1] == "line 49"
    assert len(record.error.log_tail.splitlines()) == 20


def test_a_torn_note_is_no_note(run):
    run.job_ends.write_text('{"checkpoint": 0, "ho')
    assert should_retry(run, JobEnd("failed", "killed", "1"))


def test_what_is_tried_again_starts_with_a_clean_slate(run):
    should_retry(run, JobEnd("failed", "one", "1"))
    should_retry(run, JobEnd("failed", "two", "2"))
    run.forget()
    assert run.state() == "submitted"
    assert should_retry(run, JobEnd("failed", "three", "3"))
