"""Laws of the states of runs whose job is gone, or belongs to another user or cluster."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from rich.console import Console

from zigbench.cli.logs import log_lines
from zigbench.cli.status import suite_status, total_status
from zigbench.launch import cancel, plan, states
from zigbench.launch.job_notes import current_user
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.spec import RunSpec
from zigbench.suite import Cell


@pytest.fixture
def run(tmp_path, tiny) -> RunFolder:
    spec = RunSpec.parse(tiny)
    folder = RunFolder.of(spec, tmp_path / "runs")
    folder.submit(spec)
    return folder


def note(run: RunFolder, cluster: str, job: str, **whose: str) -> None:
    run.job.write_text(
        json.dumps({"cluster": cluster, "job": job, "folder": str(run.path.parent), "code": {}, **whose})
    )


@pytest.fixture
def without_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))


def test_a_run_copied_to_a_machine_without_slurm_can_be_launched_there(run, without_slurm):
    note(run, "slurm", "7")
    assert states([run]) == ["submitted"]
    assert run.job.exists()


def test_a_background_launch_that_is_gone_frees_its_runs(run):
    note(run, "local", "local-1")
    assert states([run]) == ["submitted"]
    assert not run.job.exists()


def test_a_slurm_that_does_not_answer_is_waited_for(run, programs):
    programs(squeue="exit 1")
    note(run, "slurm", "7")
    assert states([run]) == ["pending"]


@pytest.mark.parametrize(
    ("end", "job_ends", "expected"),
    [
        ("NODE_FAIL", 0, "submitted"),
        ("NODE_FAIL", 1, "failed"),
        ("OUT_OF_MEMORY", 1, "oom"),
        ("TIMEOUT", 1, "timeout"),
        ("CANCELLED by 0", 1, "submitted"),
        ("COMPLETED", 1, "submitted"),
    ],
)
def test_a_job_that_is_gone_without_a_record_is_noticed(run, programs, end, job_ends, expected):
    programs(squeue="echo '8|RUNNING|None'", sacct=f"echo '7|{end}'")
    if job_ends:
        run.job_ends.write_text(json.dumps({"checkpoint": 0, "how": "killed"}) + "\n")
    note(run, "slurm", "7")
    assert states([run]) == [expected]
    assert not run.job.exists()
    assert run.record.exists() == (expected != "submitted")


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "REQUEUED", "SUSPENDED", "COMPLETING"])
def test_what_the_accounts_call_alive_is_not_buried(run, programs, state):
    programs(squeue="exit 0", sacct=f"echo '12_3|{state}'; echo '12_3.0|OUT_OF_MEMORY'")
    note(run, "slurm", "12_3")
    for _ in range(2):
        assert states([run]) == ["pending"]
    assert run.job.exists()
    assert not run.job_ends.exists()


@pytest.mark.parametrize(
    "whose", [{"user": "somebody else", "site": "here"}, {"user": current_user(), "site": "there"}]
)
def test_jobs_of_other_users_and_clusters_are_left_alone_until_asked_for(run, programs, whose):
    programs(
        squeue="exit 0", sacct="echo '7|NODE_FAIL'", scontrol="echo 'ClusterName             = here'", scancel="exit 1"
    )
    note(run, "slurm", "7", **whose)
    said = run.job.read_bytes()
    assert states([run]) == ["foreign"]
    assert cancel([run]) == []
    assert run.job.read_bytes() == said
    assert not run.job_ends.exists()
    cell = Cell({}, run.read_spec())
    assert plan([cell], run.path.parent).todo == ()
    assert len(plan([cell], run.path.parent, ["foreign"]).todo) == 1
    text = Console(width=120)
    with text.capture() as captured:
        text.print(suite_status(plan([cell], run.path.parent).items)[0])
    assert f"job 7 of {whose['user']} on {whose['site']}" in captured.get()
    assert "1 run: 1 foreign" in captured.get()


def test_the_reason_of_a_pending_job_is_shown(run, programs):
    programs(squeue="echo '7_0|PENDING|JobHeldUser'; echo '7_1|RUNNING|None'", scontrol="echo ClusterName = here")
    cells = [Cell({"seed": str(seed)}, RunSpec.parse({**run.read_spec().resolved(), "seed": seed})) for seed in (7, 8)]
    for i, cell in enumerate(cells):
        folder = RunFolder.of(cell.spec, run.path.parent)
        folder.submit(cell.spec)
        note(folder, "slurm", f"7_{i}")
    items = plan(cells, run.path.parent).items
    assert [(item.state, item.reason) for item in items] == [("pending", "JobHeldUser"), ("pending", "")]
    text = Console(width=120)
    with text.capture() as captured:
        text.print(suite_status(items)[0])
        text.print(total_status(run.path.parent)[0])
    assert f"{items[0].folder.id}  pending  JobHeldUser" in captured.get()
    assert captured.get().count("SLURM's reasons for pending jobs: 1 JobHeldUser.") == 2


def test_my_own_job_on_this_cluster_is_seen_to(run, programs):
    programs(squeue="exit 0", sacct="echo '7|NODE_FAIL'", scontrol="echo 'ClusterName = here'")
    note(run, "slurm", "7", user=current_user(), site="here")
    assert states([run]) == ["submitted"]
    assert "NODE_FAIL" in run.job_ends.read_text()


def test_nothing_is_called_off_twice(run):
    note(run, "local", "local-1")
    assert cancel([run]) == [run]
    assert cancel([run]) == []


def test_a_job_that_could_not_be_called_off_is_not_forgotten(run, programs):
    programs(scancel="echo 'Unable to contact slurm controller' >&2; exit 1")
    note(run, "slurm", "7")
    command = [sys.executable, "-m", "zigbench.cli", "cancel", run.id, "--results", str(run.path.parent)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "zigbench: scancel says: Unable to contact slurm controller\n"
    assert run.job.exists()
    programs(scancel="exit 0")
    assert cancel([run]) == [run]
    assert not run.job.exists()


def test_what_a_job_said_before_the_run_could_is_kept(run, programs):
    programs(squeue="exit 0", sacct="echo '7_1|FAILED'")
    log = run.path.parent / "7_1_0_log.err"
    log.write_text("module: command not found\nno such interpreter")
    note(run, "slurm", "7_1")
    assert list(log_lines(run, follow=False)) == log.read_text().splitlines()
    assert states([run]) == ["submitted"]
    assert list(log_lines(run, follow=False)) == log.read_text().splitlines()
    note(run, "slurm", "7_1")
    assert states([run]) == ["failed"]
    assert Record.read(run.record).error.log_tail == log.read_text()
    run.output.write_text("its own words\n")
    assert list(log_lines(run, follow=False)) == ["its own words"]


def test_a_job_that_an_older_version_queued_ends_in_one_line():
    # As version 0.1 pickled it, with submitit's cloudpickle.
    queued = (
        b"\x80\x04\x95y\x00\x00\x00\x00\x00\x00\x00\x8c\x13zigbench.launch.job\x94\x8c\x03Job\x94\x93\x94)\x81\x94}\x94("
        b"\x8c\x06folder\x94\x8c\x07pathlib\x94\x8c\tPosixPath\x94\x93\x94(\x8c\x01/\x94\x8c\x01r\x94\x8c\x04runs\x94"
        b"\x8c\x0412ab\x94t\x94R\x94\x8c\x04cpus\x94K\x02\x8c\x07plugins\x94\x8c\x00\x94ub."
    )
    code = f"import pickle; pickle.loads({queued!r})()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "run 12ab was queued by an older version" in done.stderr
