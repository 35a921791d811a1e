"""The rule of retrying: a run whose job ended early resumes from its checkpoint, or is recorded as failed."""

from __future__ import annotations

import contextlib
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zigbench.launch import slurm_status
from zigbench.preemption import EXIT_MACHINE, EXIT_REQUEUE, SIGNALS
from zigbench.records.folder import RunFolder, tail
from zigbench.records.record import Record, Status
from zigbench.runs.process import Options, RunOptions, has_job, slurm_job

KINDS: dict[Status, str] = {"oom": "OutOfMemory", "timeout": "TimeLimit", "failed": "JobDied"}

MARGIN = 30.0
"""Seconds by which SLURM may send the signal before a time limit early."""

OUT_OF_MEMORY = re.compile(r"oom.kill|exceeded (?:job |step )?memory limit", re.IGNORECASE)
"""SLURM's message when it ends a step for its memory, with control groups and without."""

PREEMPTED = (EXIT_REQUEUE, *(128 + number for number in SIGNALS))
"""Exit codes of a preempted task; those of the signals belong to a task that did not handle them yet."""


@dataclass(frozen=True)
class JobEnd:
    """The end of a job before its run was done.

    Args:
        status: status of the run's record if it can't resume.
        reason: sentence on the reason of the end.
        job: id of the job.
        log: file of what the job printed outside the run, where the scheduler keeps one.
    """

    status: Status
    reason: str
    job: str
    log: Path | None = None


def should_retry(folder: RunFolder, end: JobEnd) -> bool:
    """Note the end of a job and return whether the run may resume from its checkpoint.

    A run whose jobs ended twice at the same checkpoint would end there again and again: it gets a record with the
    status of the last end and the last lines of its output, or of its job's log where the run printed nothing. A run
    that reached a later checkpoint in between resumes, however often its jobs ended.

    Raises:
        OSError: the note or the record can't be written.
    """
    step = folder.checkpoint()
    before = last_end(folder)
    note = {
        "time": round(time.time()),
        "job": end.job,
        "status": end.status,
        "how": end.reason,
        "checkpoint": step,
        "log": str(end.log) if end.log else None,
    }
    with folder.job_ends.open("a", encoding="utf-8") as file:
        file.write(json.dumps(note) + "\n")
    if before is None or before["checkpoint"] != step:
        return True
    where = f"at step {step}" if step else "before the first checkpoint"
    try:
        spec = folder.read_spec()
    except ValueError:
        return True  # The next launch writes the spec again.
    record = Record.failed(
        spec,
        end.status,
        kind=KINDS[end.status],
        message=f"two jobs in a row ended {where}: {before['how']}, then {end.reason}",
        log_tail=folder.log_tail() or (tail(end.log) if end.log else ""),
    )
    with contextlib.suppress(FileExistsError):  # The run was finished after all.
        record.write(folder.record)
    return False


def last_end(folder: RunFolder) -> dict[str, Any] | None:
    """Return the newest note of a job's end in a run's folder; None where there is none."""
    try:
        lines = folder.job_ends.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    for line in reversed(lines):
        try:
            note = json.loads(line)
        except ValueError:  # Incomplete: the machine failed while it was written.
            continue
        if isinstance(note, dict):
            return note
    return None


class TaskEnd(Options):
    """The end of a SLURM job's task with an exit code other than 0.

    Args:
        task: what the task was to do.
        code: exit code of the task.
        notice: seconds before the time limit at which the job is signalled.
        logs: folder of what jobs and SLURM print outside the runs.
    """

    task: RunOptions
    code: int
    notice: float
    logs: Path


def requeue_or_record(end: TaskEnd) -> None:
    """Requeue the SLURM job that this process belongs to, or record why its run can't resume.

    This runs in the job's script, on the job's own node, as soon as its task has ended, so a task that was killed is
    noticed at once. The failure of a whole node is detected by the next command that reads the run's state
    (:func:`zigbench.launch.jobs.states`).

    Raises:
        OSError: the run's folder can't be written.
        UnreachableError: SLURM refuses to requeue the job, or has not answered for minutes.
    """
    folder, job = RunFolder(end.task.run), slurm_job()
    end.task.set_plugins()
    # A run without job.json was cancelled.
    if folder.record.exists() or not folder.job.exists() or not has_job(folder, end.task):
        return
    if end.code == EXIT_MACHINE:
        # The next launch submits the run again, when there is room.
        folder.job.unlink(missing_ok=True)
        return
    # No other process requeues the job, so a busy controller is queried until it answers. A job in another state than
    # running is ended by the scheduler.
    if slurm_status.persistently(lambda: slurm_status.own_state(job)) != "RUNNING":
        return
    at_limit = slurm_status.persistently(lambda: slurm_status.seconds_left(job)) <= end.notice + MARGIN
    log = slurm_status.job_log(end.logs, job)
    output = log.read_text(errors="replace") if log.exists() else ""
    if (end.code in PREEMPTED and not at_limit) or should_retry(folder, JobEnd(*_cause(end.code, output), job, log)):
        slurm_status.persistently(lambda: slurm_status.requeue(job))


def _cause(code: int, output: str) -> tuple[Status, str]:
    if code in PREEMPTED:
        return "timeout", "the job reached its time limit"
    # The log holds the job's earlier starts too; each of them ends with a line of the scheduler's.
    if OUT_OF_MEMORY.search(output.rpartition("*** JOB")[2]):
        return "oom", "the job took more memory than it had requested"
    if code > 128:
        return "failed", f"the task was killed by signal {code - 128}"
    return "failed", f"the task exited with {code}"
