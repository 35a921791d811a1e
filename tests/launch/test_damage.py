"""Laws of damaged files beside runs: each is named, hurts no other run, and what a suite knows is written again."""

from __future__ import annotations

import json

import pytest

from zigbench.cli.status import reason, suite_status
from zigbench.launch import plan
from zigbench.launch.job_notes import Job
from zigbench.launch.jobs import states
from zigbench.launch.retry import JobEnd, should_retry
from zigbench.launch.submit import _still_missing
from zigbench.records import collect
from zigbench.records.folder import RunFolder
from zigbench.records.record import NewerRecordError, Record
from zigbench.runs.process import RunOptions
from zigbench.runs.worker import do_run
from zigbench.spec.files import write_atomically
from zigbench.suite import Cell, Suite, expand, grid


@pytest.fixture
def cells(tiny) -> list[Cell]:
    return list(expand(Suite("two", "Which is hurt?", tiny, (grid("seed", (0, 1), name="seed"),))))


@pytest.fixture
def folders(tmp_path, cells) -> list[RunFolder]:
    folders = [RunFolder.of(cell.spec, tmp_path / "runs") for cell in cells]
    for folder, cell in zip(folders, cells, strict=True):
        folder.submit(cell.spec)
    return folders


DAMAGE = ["", "{", "[]", "null", '{"task": "train"}', "[" * 100_000, "\0" * 64]


@pytest.mark.parametrize("content", DAMAGE)
def test_a_damaged_spec_is_shown_and_written_again(tmp_path, cells, folders, content):
    root, (hurt, sound) = tmp_path / "runs", folders
    text = hurt.spec.read_bytes()
    hurt.spec.write_text(content)
    found = plan(cells, root)
    assert [item.state for item in found.items] == ["damaged", "submitted"]
    assert str(hurt.spec) in reason(found.items[0])
    assert len(found.todo) == 2
    suite_status(found.items)
    items = _still_missing(found)
    assert [item.folder for item in items] == folders
    assert hurt.spec.read_bytes() == text
    assert hurt.state() == sound.state() == "submitted"


def test_a_sound_spec_is_not_written_again(cells, folders):
    body = json.loads(folders[0].spec.read_text())
    folders[0].spec.write_text(json.dumps(body))
    folders[0].submit(cells[0].spec)
    assert folders[0].spec.read_text() == json.dumps(body)


def test_a_job_whose_spec_is_damaged_ends_without_a_record(folders, capfd):
    hurt = folders[0]
    hurt.spec.write_text("")
    assert should_retry(hurt, JobEnd("failed", "one", "1"))
    assert should_retry(hurt, JobEnd("failed", "two", "2"))
    assert not hurt.record.exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zigbench.preemption.PreemptionSignal.listen", lambda self: None)
        assert do_run(RunOptions(run=hurt.path, cpus=1)) == 74
    assert str(hurt.spec) in capfd.readouterr().err


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"cluster": "slurm"}'])
def test_a_damaged_note_of_a_job_is_none(folders, content):
    folders[0].job.write_text(content)
    assert Job.read(folders[0]) is None
    assert states(folders) == ["submitted", "submitted"]


def test_stray_files_beside_runs_are_no_runs(tmp_path, cells, folders):
    root = tmp_path / "runs"
    for name in (".launch", ".launch.0", "notes.txt", "record.json"):
        (root / name).write_text("")
    (root / "empty").mkdir()
    assert plan(cells, root).counts() == {"submitted": 2}
    assert collect.scan(root).records == ()
    assert collect.scan(root).damaged == ()


def test_the_record_of_a_later_version_is_named_and_never_done_again(tmp_path, cells, folders):
    spec = cells[0].spec
    text = Record(id=spec.id, status="ok", spec=spec.resolved()).to_json()
    body = {**json.loads(text), "schema_version": 2, "figures": "in another form"}
    write_atomically(folders[0].record, json.dumps(body).encode())
    for retry in ((), ("damaged", "failed")):
        found = plan(cells, tmp_path / "runs", retry)
        assert [item.state for item in found.items] == ["newer", "submitted"]
        assert [item.folder for item in found.todo] == folders[1:]
    assert "upgrade zigbench" in reason(found.items[0])
    with pytest.raises(NewerRecordError, match=r"record\.json: newer"):
        Record.read(folders[0].record)
    (fault,) = collect.scan(tmp_path / "runs").damaged
    assert fault.state == "newer"
