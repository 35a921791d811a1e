"""What runs are really at: their files, and for those whose job is to be asked for, the scheduler."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from zigbench import archive
from zigbench.claim import Claims
from zigbench.folder import RunFolder, State
from zigbench.launch import queue
from zigbench.launch.deaths import Death, goes_on
from zigbench.record import Status

OOM, LATE = ("OUT_OF_MEMORY",), ("TIMEOUT", "DEADLINE")
GIVEN_UP = ("CANCELLED", "COMPLETED")
"""Ends of a job that are nobody's fault: it was cancelled, or it found the run in other hands."""


def states(folders: Sequence[RunFolder]) -> list[State]:
    """The state of each run; asks the scheduler once for all runs that say they have a job.

    A job that is gone without a record is noticed here: its run is recorded where it can't go on, and otherwise
    "submitted", which a launch takes up.

    Raises:
        OSError: a record can't be written.
    """
    found = _from_files(folders)
    jobs = {i: job for i, state in enumerate(found) if state == "submitted" and (job := folders[i].read_job())}
    if not jobs:
        return found
    waiting = _waiting(list(jobs.values()))
    gone = {i: job for i, job in jobs.items() if waiting.get(job["job"]) is False}
    for i, job in jobs.items():
        if waiting.get(job["job"]):
            found[i] = "pending"
    if gone:
        ends = queue.ends(job["job"] for job in gone.values() if job["cluster"] == "slurm")
        for i, job in gone.items():
            # It may have finished between the look at its files and the look at the queue.
            found[i] = folders[i].state()
            if found[i] == "submitted":
                found[i] = _bury(folders[i], job["job"], ends.get(job["job"], ""))
    return found


def _from_files(folders: Sequence[RunFolder]) -> list[State]:
    if len(folders) < archive.WORTH:
        return [folder.state() for folder in folders]
    known = {root: archive.statuses(root) for root in {folder.path.parent for folder in folders}}
    found: list[State] = []
    for folder in folders:
        stamp, status = known[folder.path.parent].get(folder.id, (None, None))
        # A record that has not changed since it was found sound need not be read again to know how it ended.
        sound = status is not None and archive.stamp_of(folder.record) == stamp
        found.append(cast(State, status) if sound else folder.state())
    return found


def _waiting(jobs: Sequence[Mapping[str, Any]]) -> dict[str, bool | None]:
    """Whether each job waits or runs, by id; None for one that nobody here can know of."""
    answers: dict[str, bool | None] = {}
    slurm = {job["job"] for job in jobs if job["cluster"] == "slurm"}
    if slurm:
        try:
            found = queue.read_queue()
        except queue.UnreachableError:
            answers |= dict.fromkeys(slurm, True)  # Better to wait for what may be lost than to do it twice.
        else:
            answers |= {job: None if found is None else found.holds(job) for job in slurm}
    for job in jobs:
        if job["cluster"] == "local" and job["job"] not in answers:
            answers[job["job"]] = Claims(Path(job["folder"])).holder() is not None
    return answers


def _bury(folder: RunFolder, job: str, end: str) -> State:
    """What a run is at whose job is gone and left no record."""
    grave = folder.path / f".job.{os.getpid()}"
    try:
        folder.job.rename(grave)
    except FileNotFoundError:
        return "submitted"  # Somebody else noticed at this moment, and sees to it.
    grave.unlink()
    if not end or end.startswith(GIVEN_UP):
        return "submitted"
    status: Status = "oom" if end in OOM else "timeout" if end in LATE else "failed"
    if goes_on(folder, Death(status, f"the job ended as {end}", job)):
        return "submitted"
    return status
