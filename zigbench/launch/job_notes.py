"""The note of a job in its run's folder; it stands there before SLURM has the job, so that no job is ever unknown.

A launch writes a token into the folders of the runs that it is about to submit, and gives the jobs the token as their
name. If the launch is killed, the next command finds the token in SLURM's queue or accounts, and with it the jobs' ids.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from zigbench.launch import slurm_status
from zigbench.records.folder import RunFolder
from zigbench.records.lock import STALE_AFTER, BusyError, RunLock
from zigbench.spec.files import write_atomically

ARRIVAL = 20.0
"""Seconds after which SLURM has queued what a launch sent it before it was killed."""


@dataclass(frozen=True)
class Job:
    """A job that was submitted to do a run, as ``job.json`` in the run's folder has it.

    Args:
        cluster: "slurm", or "local" for a launch in the background of one machine.
        id: of the job in its queue ("12_3"); of a local launch its folder's name; "" while a launch has not noted it.
        folder: of the job's logs; of a local launch, the folder that it holds while it lives.
        user: name of the user who launched it; None in files of older versions.
        site: name of the SLURM cluster; None where there is none, and in files of older versions.
        code: the code that it was submitted with.
        token: name of the array in SLURM, which no other array has; None for a local launch, and in files of older
            versions.
        task: number of the job in the array.
        time: when the token was noted, in seconds.
    """

    cluster: Literal["slurm", "local"]
    id: str
    folder: Path
    user: str | None = None
    site: str | None = None
    code: Mapping[str, Any] | None = None
    token: str | None = None
    task: int = 0
    time: float = 0.0

    @classmethod
    def read(cls, folder: RunFolder) -> Job | None:
        """Return the job that a run's folder notes; None where there is none, or a damaged note."""
        note = folder.read_job()
        if not {"cluster", "folder"} <= note.keys() or not {"job", "token"} & note.keys():
            return None
        given = {key: note[key] for key in ("user", "site", "code", "token", "task", "time") if key in note}
        return cls(note["cluster"], note.get("job", ""), Path(note["folder"]), **given)

    def write(self, folder: RunFolder, *, durable: bool = False) -> None:
        """Note this job in a run's folder.

        Args:
            folder: of the run.
            durable: wait until the disk has the note.
        """
        note: dict[str, Any] = {"cluster": self.cluster, "user": self.user, "folder": str(self.folder)}
        note |= {"site": self.site} if self.site else {}
        note |= {"job": self.id} if self.id else {}
        note |= {"token": self.token, "task": self.task, "time": self.time} if self.token else {}
        write_atomically(folder.job, (json.dumps({**note, "code": self.code}) + "\n").encode(), durable=durable)

    def with_id(self, array: str) -> Job:
        """Return this job as a task of an array that SLURM has queued."""
        return replace(self, id=f"{array}_{self.task}")

    @property
    def log(self) -> Path | None:
        """The file of a SLURM job's output outside its run; None for other jobs."""
        return slurm_status.job_log(self.folder, self.id) if self.cluster == "slurm" and self.id else None

    def __str__(self) -> str:
        owner = f" of {self.user}" if self.user else ""
        return f"job {self.id or self.token}{owner}" + (f" on {self.site}" if self.site else "")


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


def new_token(name: str) -> str:
    """Return a name for the jobs of one array: that of the user's queue with an end that no other array has."""
    return f"{name}-{secrets.token_hex(5)}"


def resolve(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs with the ids of those whose launch has not noted them, where SLURM knows their token.

    Raises:
        UnreachableError: SLURM does not answer.
    """
    since = {job.token: job.time for job in jobs if job.token and not job.id}
    arrays = slurm_status.arrays(since, min(since.values())) if since else {}
    return [job if job.id else job.with_id(arrays[job.token]) if job.token in arrays else job for job in jobs]


def adopt(folders: Sequence[RunFolder]) -> None:
    """Note the ids of jobs that a launch submitted, of this user and site, and could not note before it was killed.

    The caller holds the results folder (:func:`exclusive`), so no launch is at work. A submission that SLURM may still
    receive is waited for.

    Raises:
        UnreachableError: SLURM does not answer.
        OSError: a note can't be written.
    """
    noted = [(folder, job) for folder in folders if (job := Job.read(folder)) and job.token and not job.id]
    foreign = foreign_jobs([job for _, job in noted])
    unknown = [pair for pair, is_foreign in zip(noted, foreign, strict=True) if not is_foreign]
    begun = time.time()
    while unknown:
        resolved = resolve([job for _, job in unknown])
        for (folder, _), job in zip(unknown, resolved, strict=True):
            if job.id:
                job.write(folder)
        now = time.time()
        # The clock of the launch's host may be ahead.
        unknown = [
            (folder, job)
            for (folder, _), job in zip(unknown, resolved, strict=True)
            if not job.id and now < min(job.time, begun) + ARRIVAL
        ]
        if unknown:
            time.sleep(1.0)


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold a results folder, so that one launch at a time submits runs there; others wait.

    Raises:
        BusyError: another launch does not end.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock = RunLock(root, stem=".launch", subject=str(root))
    deadline = time.monotonic() + 3 * STALE_AFTER
    while True:
        turn = lock.hold()
        try:
            turn.__enter__()
            break
        except BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    try:
        yield
    finally:
        turn.__exit__(None, None, None)
