"""Laws of a job's script: each task gets its own line, and what follows a task requeues its job or records its run."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from zigbench.launch.clusters import Cluster
from zigbench.launch.slurm import script
from zigbench.records.folder import RunFolder
from zigbench.records.record import Record
from zigbench.runs.process import RunOptions, command
from zigbench.spec import Resources, RunSpec

SITE = Cluster(account="it's us", options={"hold": True, "mail-type": "END", "requeue": False}, notice_seconds=120)


@pytest.fixture
def run(tmp_path, tiny) -> RunFolder:
    spec = RunSpec.parse(tiny)
    folder = RunFolder.of(spec, tmp_path / "it's a folder" / "runs")
    folder.submit(spec)
    folder.job.write_text("{}")
    return folder


def text(run: RunFolder, **resources: float) -> str:
    runs = [RunOptions(run=path, cpus=2) for path in (run.path.parent / "other", run.path)]
    needs = Resources(cpus=2, memory_gb=1.5, hours=1.0, **resources)
    return script(runs, needs, SITE, run.path.parents[1], name="name", setup=("export SETUP=1",), max_parallel=2)


def test_options_of_profile_and_resources_are_directives(run):
    lines = text(run, gpus=3).splitlines()
    assert lines[0] == "#!/bin/bash"
    directives = {line for line in lines if line.startswith("#SBATCH ")}
    expected = ("array=0-1%2", "time=60", "mem=1536M", "gpus-per-node=3", "signal=TERM@120", "hold", "mail-type=END")
    assert {f"#SBATCH --{each}" for each in expected} <= directives
    assert not any("requeue" in line or "partition" in line for line in directives)
    # SLURM stops reading directives at the first command.
    assert max(map(lines.index, directives)) < lines.index("export SETUP=1")


@pytest.mark.parametrize(
    ("code", "left", "earlier_ends", "requeued", "status"),
    [
        (0, "10:00", 1, False, None),
        (75, "10:00", 1, True, None),  # Preempted.
        (143, "10:00", 1, True, None),  # Preempted before it could handle the signal.
        (75, "1:00", 0, True, None),  # At the time limit.
        (75, "1:00", 1, False, "timeout"),
        (137, "10:00", 0, True, None),
        (137, "10:00", 1, False, "failed"),
        (1, "10:00", 1, False, "failed"),
    ],
)
def test_a_job_is_requeued_or_its_run_recorded(run, programs, tmp_path, code, left, earlier_ends, requeued, status):
    for _ in range(earlier_ends):
        run.job_ends.write_text(json.dumps({"checkpoint": 0, "how": "earlier"}) + "\n")
    programs(
        srun=f'for word; do :; done; printf %s "$word" > {tmp_path}/task; exit {code}',
        squeue=f"echo {left}",
        scontrol=f'[ "$1" = requeue ] && echo "$2" > {tmp_path}/requeued; echo JobState=RUNNING',
    )
    jobs = {"SLURM_JOB_ID": "8", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}
    done = subprocess.run(["bash"], input=text(run), text=True, capture_output=True, env={**os.environ, **jobs})
    assert done.returncode == code, done.stderr
    assert RunOptions.model_validate_json((tmp_path / "task").read_text()) == RunOptions(run=run.path, cpus=2)
    assert (tmp_path / "requeued").exists() == requeued, done.stderr
    # By its number alone, the last task of an array is every task.
    assert not requeued or (tmp_path / "requeued").read_text() == "7_1\n"
    assert (Record.read(run.record).status if run.record.exists() else None) == status


@pytest.mark.parametrize(
    ("code", "noted", "kept"),
    [(74, "7_1", False), (137, "9_1", True)],  # A fault of the disk; a run that was launched again.
)
def test_a_job_that_may_not_judge_its_run_leaves_it(run, programs, tmp_path, code, noted, kept):
    run.job_ends.write_text(json.dumps({"checkpoint": 0, "how": "earlier"}) + "\n")
    run.job.write_text(json.dumps({"cluster": "slurm", "job": noted, "folder": str(tmp_path)}))
    programs(
        srun=f"exit {code}",
        squeue="echo 10:00",
        scontrol=f'[ "$1" = requeue ] && touch {tmp_path}/requeued; echo JobState=RUNNING',
    )
    jobs = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}
    done = subprocess.run(["bash"], input=text(run), text=True, capture_output=True, env={**os.environ, **jobs})
    assert done.returncode == code, done.stderr
    assert not (tmp_path / "requeued").exists()
    assert not run.record.exists()
    assert run.job.exists() == kept


def test_a_worker_whose_run_was_launched_again_does_nothing(run, tmp_path):
    run.job.write_text(json.dumps({"cluster": "slurm", "job": "9_1", "folder": str(tmp_path)}))
    jobs = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}
    words = command("zigbench.runs.worker", RunOptions(run=run.path, cpus=1).line)
    done = subprocess.run(words, text=True, capture_output=True, env={**os.environ, **jobs})
    assert done.returncode == 0
    assert "belongs to job 9_1 now" in done.stderr
    assert sorted(path.name for path in run.path.iterdir()) == ["job.json", "spec.json"]


def test_a_percent_sign_in_the_path_is_no_pattern_of_a_log(tmp_path):
    folder = tmp_path / "100%j"
    runs = [RunOptions(run=tmp_path / "run", cpus=1)]
    needs = Resources(cpus=1, memory_gb=1.0, hours=1.0)
    lines = script(runs, needs, Cluster(), folder, name="name", setup=(), max_parallel=1)
    assert f"{tmp_path}/100%%j/%A_%a_0_log.err" in lines
    assert f"{tmp_path}/100%%j/%A_%a_%t_log.err" in lines
    assert json.dumps(str(folder)) in lines


def test_memory_that_ran_out_in_the_last_start_of_a_job_is_recorded_as_that(run, programs):
    log = run.path.parents[1] / "7_1_0_log.err"
    run.job_ends.write_text(json.dumps({"checkpoint": 0, "how": "earlier"}) + "\n")
    programs(srun="exit 137", squeue="echo 10:00", scontrol="echo JobState=RUNNING")
    jobs = {"SLURM_JOB_ID": "8", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}
    for output, status in (
        ("oom_kill event\n*** JOB 8 CANCELLED ***\n", "failed"),
        ("*** JOB 8 CANCELLED ***\noom_kill event\n", "oom"),
    ):
        log.write_text(output)
        subprocess.run(["bash"], input=text(run), text=True, capture_output=True, env={**os.environ, **jobs})
        assert Record.read(run.record).status == status
        run.record.unlink()
