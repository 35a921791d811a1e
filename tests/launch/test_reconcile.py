"""What is said of runs whose job nobody can be asked about, or is gone."""

from __future__ import annotations

import json
import os

import pytest

from zigbench.folder import RunFolder
from zigbench.launch import cancel, states
from zigbench.spec import RunSpec


@pytest.fixture
def run(tmp_path, tiny) -> RunFolder:
    spec = RunSpec.parse(tiny)
    folder = RunFolder.of(spec, tmp_path / "runs")
    folder.submit(spec)
    return folder


def note(run: RunFolder, cluster: str, job: str) -> None:
    run.job.write_text(json.dumps({"cluster": cluster, "job": job, "folder": str(run.path.parent), "code": {}}))


@pytest.fixture
def without_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))


def program(folder, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_run_copied_to_a_machine_without_slurm_can_be_launched_there(run, without_slurm):
    note(run, "slurm", "7")
    assert states([run]) == ["submitted"]
    assert run.job.exists()


def test_a_background_launch_that_is_gone_frees_its_runs(run):
    note(run, "local", "local-1")
    assert states([run]) == ["submitted"]
    assert not run.job.exists()


def test_a_slurm_that_does_not_answer_is_waited_for(run, tmp_path, monkeypatch):
    program(tmp_path, "squeue", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    note(run, "slurm", "7")
    assert states([run]) == ["pending"]


@pytest.mark.parametrize(
    ("end", "deaths", "expected"),
    [
        ("NODE_FAIL", 0, "submitted"),
        ("NODE_FAIL", 1, "failed"),
        ("OUT_OF_MEMORY", 1, "oom"),
        ("TIMEOUT", 1, "timeout"),
        ("CANCELLED by 0", 1, "submitted"),
        ("COMPLETED", 1, "submitted"),
    ],
)
def test_a_job_that_is_gone_without_a_record_is_noticed(run, tmp_path, monkeypatch, end, deaths, expected):
    program(tmp_path, "squeue", "echo '8|RUNNING'")
    program(tmp_path, "sacct", f"echo '7|{end}'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if deaths:
        run.deaths.write_text(json.dumps({"checkpoint": 0, "how": "killed"}) + "\n")
    note(run, "slurm", "7")
    assert states([run]) == [expected]
    assert not run.job.exists()
    assert run.record.exists() == (expected != "submitted")


def test_nothing_is_called_off_twice(run):
    note(run, "local", "local-1")
    assert cancel([run]) == [run]
    assert cancel([run]) == []
