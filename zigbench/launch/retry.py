"""What becomes of a run whose job died: it goes on, or it is recorded as one that can't."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zigbench.records.folder import RunFolder, tail
from zigbench.records.record import Failure, Record, Status, environment

KINDS: dict[Status, str] = {"oom": "OutOfMemory", "timeout": "TimeLimit", "failed": "JobDied"}


@dataclass(frozen=True)
class JobEnd:
    """How a job ended under its run.

    Args:
        status: that the run is recorded with if it can't go on.
        how: in words.
        job: its id.
        log: what it printed outside the run, where the scheduler kept that.
    """

    status: Status
    how: str
    job: str
    log: Path | None = None


def should_retry(folder: RunFolder, death: JobEnd) -> bool:
    """Take note of a death; whether the run may go on from its checkpoint.

    A run that died twice at the same checkpoint would die there for ever: it gets a record with the status of the
    last death and the end of its log, or of its job's where it never came to print anything. One that came further in
    between goes on, however often it has died.

    Raises:
        OSError: the note or the record can't be written.
    """
    here = folder.checkpoint()
    before = _last(folder)
    line = {
        "time": round(time.time()),
        "job": death.job,
        "status": death.status,
        "how": death.how,
        "checkpoint": here,
        "log": str(death.log) if death.log else None,
    }
    with folder.job_ends.open("a") as file:
        file.write(json.dumps(line) + "\n")
    if before is None or before["checkpoint"] != here:
        return True
    where = f"at step {here}" if here else "before the first checkpoint"
    Record(
        id=folder.id,
        status=death.status,
        spec=folder.read_spec().resolved(),
        environment=environment(),
        error=Failure(
            kind=KINDS[death.status],
            message=f"two jobs in a row ended {where}: {before['how']}, then {death.how}",
            log_tail=folder.log_tail() or (tail(death.log) if death.log else ""),
        ),
    ).write(folder.record)
    return False


def job_log(job: Mapping[str, Any]) -> Path | None:
    """Where SLURM keeps what a job (as the run's folder names it) prints outside the run; None of other jobs."""
    return Path(job["folder"]) / f"{job['job']}_0_log.err" if job["cluster"] == "slurm" else None


def last_log(folder: RunFolder) -> Path | None:
    """What the run's present job prints outside the run, or the one that died last; None where nobody keeps that."""
    job, death = folder.read_job(), _last(folder)
    if job:
        return job_log(job)
    return Path(death["log"]) if death and death.get("log") else None


def _last(folder: RunFolder) -> dict[str, Any] | None:
    try:
        lines = folder.job_ends.read_text().splitlines()
    except FileNotFoundError:
        return None
    for line in reversed(lines):
        try:
            found = json.loads(line)
        except ValueError:  # Torn: the machine went down with it.
            continue
        if isinstance(found, dict):
            return found
    return None
