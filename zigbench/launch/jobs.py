"""The jobs that do runs: the note of a job in its run's folder, and the state of a run by its job."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pwd
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from zigbench.launch import slurm_status
from zigbench.launch.retry import JobEnd, last_end, should_retry
from zigbench.records import cache
from zigbench.records.folder import RunFolder, State
from zigbench.records.lock import RunLock
from zigbench.records.record import Status
from zigbench.spec.files import write_atomically

READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)

OOM, LATE = ("OUT_OF_MEMORY",), ("TIMEOUT", "DEADLINE")
NO_FAULT = ("CANCELLED", "COMPLETED")
"""Ends of a job that are no failure of its run: it was cancelled, or another process worked on the run."""


@dataclass(frozen=True)
class Job:
    """A job that was submitted to do a run, as ``job.json`` in the run's folder has it.

    Args:
        cluster: "slurm", or "local" for a launch in the background of one machine.
        id: of the job in its queue ("12_3"); of a local launch its folder's name.
        folder: of the job's logs; of a local launch, the folder that it holds while it lives.
        user: name of the user who launched it; None in files of older versions.
        site: name of the SLURM cluster; None where there is none, and in files of older versions.
        code: the code that it was submitted with.
    """

    cluster: Literal["slurm", "local"]
    id: str
    folder: Path
    user: str | None = None
    site: str | None = None
    code: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, folder: RunFolder) -> Job | None:
        """Return the job that a run's folder notes; None where there is none, or a damaged note."""
        note = folder.read_job()
        if not {"cluster", "job", "folder"} <= note.keys():
            return None
        return cls(
            note["cluster"], note["job"], Path(note["folder"]), note.get("user"), note.get("site"), note.get("code")
        )

    def write(self, folder: RunFolder) -> None:
        """Note this job in a run's folder."""
        site = {"site": self.site} if self.site else {}
        note = {"cluster": self.cluster, **site, "user": self.user, "job": self.id, "folder": str(self.folder)}
        write_atomically(folder.job, (json.dumps({**note, "code": self.code}) + "\n").encode(), durable=False)

    @property
    def log(self) -> Path | None:
        """The file of a SLURM job's output outside its run; None for other jobs."""
        return slurm_status.job_log(self.folder, self.id) if self.cluster == "slurm" else None

    def __str__(self) -> str:
        owner = f" of {self.user}" if self.user else ""
        return f"job {self.id}{owner}" + (f" on {self.site}" if self.site else "")


def current_user() -> str:
    """Return the name of the user that this process belongs to, as the system and SLURM know it; else the number."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def foreign_jobs(jobs: Sequence[Job]) -> list[bool]:
    """Return for each job whether it belongs to another user, or to a cluster that does not answer here.

    A job that notes no user or site counts as this user's, on this cluster.

    Raises:
        UnreachableError: SLURM does not answer which cluster this is.
    """
    user = current_user()
    here = slurm_status.site() if any(job.site for job in jobs) else None
    return [(job.user or user) != user or (job.site or here) != here for job in jobs]


def states(folders: Sequence[RunFolder]) -> list[State]:
    """Return the state of each run, by its files and its job; the scheduler is asked once for all.

    This function detects a job that is gone without a record of its run: a run that can't resume is recorded, and any
    other is "submitted", so that the next launch resumes it. Jobs of others, and those that are alive in SLURM's
    accounts, are not touched.

    Raises:
        OSError: a record can't be written.
    """
    by_run = _states_of_files(folders)
    jobs = {i: job for i, state in enumerate(by_run) if state == "submitted" and (job := Job.read(folders[i]))}
    gone: dict[int, Job] = {}
    for (i, job), state in zip(jobs.items(), _states_of_jobs(list(jobs.values())), strict=True):
        if state is None:
            gone[i] = job
        else:
            by_run[i] = state
    ends = slurm_status.ends(job.id for job in gone.values() if job.cluster == "slurm")
    for i, job in gone.items():
        # The run may have finished after its files were read and before the queue was.
        by_run[i] = folders[i].state()
        if by_run[i] == "submitted":
            end = ends.get(job.id, "")
            by_run[i] = record_dead_job(folders[i], job, end) if not end or end in slurm_status.ENDED else "pending"
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


def _states_of_jobs(jobs: Sequence[Job]) -> list[State | None]:
    """Return the state that each job gives its run, as far as queue and processes show; None for a job that is gone."""
    by_job: list[State | None] = [None] * len(jobs)
    slurm = [i for i, job in enumerate(jobs) if job.cluster == "slurm"]
    try:
        foreign = foreign_jobs([jobs[i] for i in slurm])
        queued = slurm_status.read_queue() if slurm else None
    except slurm_status.UnreachableError:
        for i in slurm:
            by_job[i] = "pending"  # It is better to wait for a job that may be lost than to do its run twice.
    else:
        for i, is_foreign in zip(slurm, foreign, strict=True):
            if is_foreign:
                by_job[i] = "foreign"
            elif queued is None:
                by_job[i] = "submitted"
            elif jobs[i].id in queued:
                by_job[i] = "pending"
    launches = {job.folder for job in jobs if job.cluster == "local"}
    alive = {folder for folder in launches if RunLock(folder).holder()}
    for i, job in enumerate(jobs):
        if job.cluster == "local" and job.folder in alive:
            by_job[i] = "pending"
    return by_job


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

    Returns:
        The runs whose job was cancelled. A job of another user or cluster, and its run, are not touched.

    Raises:
        UnreachableError: SLURM refuses, or does not answer; every run keeps its job.
    """
    jobs = [(folder, job) for folder in folders if (job := Job.read(folder)) and not folder.record.exists()]
    foreign = foreign_jobs([job for _, job in jobs])
    own = [pair for pair, is_foreign in zip(jobs, foreign, strict=True) if not is_foreign]
    # The scheduler first: the note of a job may go only after the job.
    slurm_status.cancel(job.id for _, job in own if job.cluster == "slurm")
    for folder, job in own:
        # Before its worker ends: a launch whose worker died retries only a run that still has a job.
        folder.job.unlink(missing_ok=True)
        if job.cluster == "local":
            _stop_worker(folder)
    return [folder for folder, _ in own]


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
