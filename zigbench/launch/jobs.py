"""The state of a run by its job, and the end of jobs on request."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from zigbench.launch import slurm_status
from zigbench.launch.job_notes import Job, adopt, exclusive, foreign_jobs, resolve
from zigbench.launch.retry import JobEnd, last_end, should_retry
from zigbench.records import cache
from zigbench.records.folder import RunFolder, State
from zigbench.records.lock import RunLock
from zigbench.records.record import Status

READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)

OOM, LATE = ("OUT_OF_MEMORY",), ("TIMEOUT", "DEADLINE")
NO_FAULT = ("CANCELLED", "COMPLETED")
"""Ends of a job that are no failure of its run: it was cancelled, or another process worked on the run."""


@dataclass(frozen=True)
class RunState:
    """The state of a run, and SLURM's reason for which its job waits ("JobHeldUser"; "" where there is none)."""

    state: State
    reason: str = ""


@dataclass(frozen=True)
class _JobState:
    """A job and the state that it gives its run, as far as queue and processes show: None for a job that is gone."""

    job: Job
    run: RunState | None = None


def states(folders: Sequence[RunFolder]) -> list[State]:
    """Return the state of each run; as :func:`run_states`."""
    return [each.state for each in run_states(folders)]


def run_states(folders: Sequence[RunFolder]) -> list[RunState]:
    """Return the state of each run, by its files and its job; the scheduler is asked once for all.

    This function detects a job that is gone without a record of its run: a run that can't resume is recorded, and any
    other is "submitted", so that the next launch resumes it. Jobs of others, and those that are alive in SLURM's
    accounts, are not touched.

    Raises:
        OSError: a record can't be written.
    """
    by_run = [RunState(state) for state in _states_of_files(folders)]
    noted = {i: job for i, run in enumerate(by_run) if run.state == "submitted" and (job := Job.read(folders[i]))}
    gone: dict[int, Job] = {}
    for i, each in zip(noted, _states_of_jobs(list(noted.values())), strict=True):
        if each.run is None:
            gone[i] = each.job
        else:
            by_run[i] = each.run
    ends = slurm_status.ends(job.id for job in gone.values() if job.cluster == "slurm")
    for i, job in gone.items():
        # The run may have finished after its files were read and before the queue was.
        state = folders[i].state()
        if state == "submitted":
            end = ends.get(job.id, "")
            state = record_dead_job(folders[i], job, end) if not end or end in slurm_status.ENDED else "pending"
        by_run[i] = RunState(state)
    return by_run


def _states_of_files(folders: Sequence[RunFolder]) -> list[State]:
    if len(folders) < cache.WORTH:
        return [folder.state() for folder in folders]
    known = {root: cache.statuses(root) for root in {folder.path.parent for folder in folders}}
    by_run: list[State] = []
    for folder in folders:
        stamp, status = known[folder.path.parent].get(folder.id, (None, None))
        # A sound record that has not changed is not read again.
        unchanged = status is not None and cache.stamp_of(folder.record) == stamp
        by_run.append(cast(State, status) if unchanged else folder.state())
    return by_run


def _states_of_jobs(jobs: Sequence[Job]) -> list[_JobState]:
    states = [_JobState(job) for job in jobs]
    slurm = [i for i, job in enumerate(jobs) if job.cluster == "slurm"]
    try:
        foreign = foreign_jobs([jobs[i] for i in slurm])
        own = [i for i, is_foreign in zip(slurm, foreign, strict=True) if not is_foreign]
        # Before the queue is read, which then has every job that was found.
        resolved = dict(zip(own, resolve([jobs[i] for i in own]), strict=True))
        queued = slurm_status.read_queue() if slurm else None
    except slurm_status.UnreachableError:
        for i in slurm:
            # It is better to wait for a job that may be lost than to do its run twice.
            states[i] = _JobState(jobs[i], RunState("pending"))
    else:
        for i in slurm:
            job = resolved.get(i)
            if job is None:
                states[i] = _JobState(jobs[i], RunState("foreign"))
            elif (
                queued is None or not job.id
            ):  # Without an id: a launch is at work on it, or ended before SLURM had it.
                states[i] = _JobState(job, RunState("submitted"))
            else:
                entry = queued.get(job.id)
                states[i] = _JobState(job, RunState("pending", entry.reason) if entry else None)
    launches = {job.folder for job in jobs if job.cluster == "local"}
    alive = {folder for folder in launches if RunLock(folder).holder()}
    for i, job in enumerate(jobs):
        if job.cluster == "local" and job.folder in alive:
            states[i] = _JobState(job, RunState("pending"))
    return states


def record_dead_job(folder: RunFolder, job: Job, end: str) -> State:
    """Remove the note of a job that is gone, and record its run if it can't resume; return the run's state.

    Args:
        folder: of the run, without a record.
        job: that was to do it.
        end: the job's last state in SLURM's accounts ("OUT_OF_MEMORY"); "" where no account is kept.
    """
    claimed = folder.path / f".job.{os.getpid()}"
    try:
        folder.job.rename(claimed)
        claimed.unlink()
    except FileNotFoundError:
        return "submitted"  # Another process has detected it at this moment and handles it.
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        return "submitted"  # A user who may only read; one who may write handles it.
    if not end or end in NO_FAULT:
        return "submitted"
    status: Status = "oom" if end in OOM else "timeout" if end in LATE else "failed"
    if should_retry(folder, JobEnd(status, f"the job ended as {end}", job.id, job.log)):
        return "submitted"
    return status


def cancel(folders: Sequence[RunFolder]) -> list[RunFolder]:
    """Cancel the jobs of runs that wait or run; a begun run resumes from its checkpoint when it is launched again.

    Jobs that a launch is submitting at this moment, or submitted before it was killed, are cancelled too.

    Returns:
        The runs whose job was cancelled. A job of another user or cluster, and its run, are not touched.

    Raises:
        UnreachableError: SLURM refuses, or does not answer; every run keeps its job.
        BusyError: a launch into the same folder does not end.
    """
    with contextlib.ExitStack() as stack:
        for root in sorted({folder.path.parent for folder in folders if folder.path.parent.exists()}):
            stack.enter_context(exclusive(root))
        adopt(folders)
        jobs = [(folder, job) for folder in folders if (job := Job.read(folder)) and not folder.record.exists()]
        foreign = foreign_jobs([job for _, job in jobs])
        own = [pair for pair, is_foreign in zip(jobs, foreign, strict=True) if not is_foreign]
        # The scheduler first: the note of a job may go only after the job.
        slurm_status.cancel(job.id for _, job in own if job.cluster == "slurm" and job.id)
        for folder, job in own:
            # Before its worker ends: a launch whose worker died retries only a run that still has a job.
            folder.job.unlink(missing_ok=True)
            if job.cluster == "local":
                _stop_worker(folder)
        return [folder for folder, job in own if job.id]


def _stop_worker(folder: RunFolder) -> None:
    holder = folder.holder()
    if holder is not None and holder["host"] == os.uname().nodename:
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder["pid"], signal.SIGKILL)


def last_log(folder: RunFolder) -> Path | None:
    """Return the file of what the run's job, or else the last one that ended, printed outside it; None without one."""
    job, end = Job.read(folder), last_end(folder)
    if job:
        return job.log
    return Path(end["log"]) if end and end.get("log") else None
