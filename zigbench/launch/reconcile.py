"""What runs are really at: their files, and for those whose job is to be asked for, the scheduler."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from zigbench.launch import slurm_status
from zigbench.launch.jobs import foreign_jobs
from zigbench.launch.retry import JobEnd, job_log, should_retry
from zigbench.records import cache
from zigbench.records.folder import RunFolder, State
from zigbench.records.lock import RunLock
from zigbench.records.record import Status

OOM, LATE = ("OUT_OF_MEMORY",), ("TIMEOUT", "DEADLINE")
GIVEN_UP = ("CANCELLED", "COMPLETED")
"""Ends of a job that are nobody's fault: it was cancelled, or it found the run in other hands."""


def states(folders: Sequence[RunFolder]) -> list[State]:
    """The state of each run; asks the scheduler once for all runs that say they have a job.

    A job that is gone without a record is noticed here: its run is recorded where it can't go on, and otherwise
    "submitted", which a launch takes up. Others' jobs are left alone, and so are those that the accounts call alive.

    Raises:
        OSError: a record can't be written.
    """
    found = _from_files(folders)
    jobs = {i: job for i, state in enumerate(found) if state == "submitted" and (job := folders[i].read_job())}
    gone: dict[int, dict[str, Any]] = {}
    for (i, job), seen in zip(jobs.items(), _seen(list(jobs.values())), strict=True):
        if seen is None:
            gone[i] = job
        else:
            found[i] = seen
    ends = slurm_status.ends(job["job"] for job in gone.values() if job["cluster"] == "slurm")
    for i, job in gone.items():
        # It may have finished between the look at its files and the look at the queue.
        found[i] = folders[i].state()
        if found[i] == "submitted":
            end = ends.get(job["job"], "")
            found[i] = record_dead_job(folders[i], job, end) if not end or end in slurm_status.ENDED else "pending"
    return found


def _from_files(folders: Sequence[RunFolder]) -> list[State]:
    if len(folders) < cache.WORTH:
        return [folder.state() for folder in folders]
    known = {root: cache.statuses(root) for root in {folder.path.parent for folder in folders}}
    found: list[State] = []
    for folder in folders:
        stamp, status = known[folder.path.parent].get(folder.id, (None, None))
        # A record that has not changed since it was found sound need not be read again to know how it ended.
        sound = status is not None and cache.stamp_of(folder.record) == stamp
        found.append(cast(State, status) if sound else folder.state())
    return found


def _seen(jobs: Sequence[Mapping[str, Any]]) -> list[State | None]:
    """The state of each job's run as far as others than its files can tell; None where the job is gone."""
    seen: list[State | None] = [None] * len(jobs)
    slurm = [i for i, job in enumerate(jobs) if job["cluster"] == "slurm"]
    try:
        foreign = foreign_jobs([jobs[i] for i in slurm])
        waiting = slurm_status.read_queue() if slurm else None
    except slurm_status.UnreachableError:
        for i in slurm:
            seen[i] = "pending"  # Better to wait for what may be lost than to do it twice.
    else:
        for i, of_another in zip(slurm, foreign, strict=True):
            if of_another:
                seen[i] = "foreign"
            elif waiting is None:
                seen[i] = "submitted"
            elif waiting.holds(jobs[i]["job"]):
                seen[i] = "pending"
    here = {job["folder"] for job in jobs if job["cluster"] == "local"}
    alive = {folder for folder in here if RunLock(Path(folder)).holder()}
    for i, job in enumerate(jobs):
        if job["cluster"] == "local" and job["folder"] in alive:
            seen[i] = "pending"
    return seen


def record_dead_job(folder: RunFolder, job: Mapping[str, Any], end: str) -> State:
    """What a run is at whose job is gone and left no record."""
    grave = folder.path / f".job.{os.getpid()}"
    try:
        folder.job.rename(grave)
    except FileNotFoundError:
        return "submitted"  # Somebody else noticed at this moment, and sees to it.
    grave.unlink()
    if not end or end in GIVEN_UP:
        return "submitted"
    status: Status = "oom" if end in OOM else "timeout" if end in LATE else "failed"
    if should_retry(folder, JobEnd(status, f"the job ended as {end}", job["job"], job_log(job))):
        return "submitted"
    return status
