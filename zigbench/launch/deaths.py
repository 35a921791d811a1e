"""What becomes of a run whose job died: it goes on, or it is recorded as one that can't."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from zigbench.folder import RunFolder
from zigbench.record import Failure, Record, Status, environment

KINDS: dict[Status, str] = {"oom": "OutOfMemory", "timeout": "TimeLimit", "failed": "JobDied"}


@dataclass(frozen=True)
class Death:
    """How a job ended under its run.

    Args:
        status: that the run is recorded with if it can't go on.
        how: in words.
        job: its id.
    """

    status: Status
    how: str
    job: str


def goes_on(folder: RunFolder, death: Death) -> bool:
    """Take note of a death; whether the run may go on from its checkpoint.

    A run that died twice at the same checkpoint would die there for ever: it gets a record with the status of the
    last death and the end of its log. One that came further in between goes on, however often it has died.

    Raises:
        OSError: the note or the record can't be written.
    """
    here = folder.checkpoint()
    before = _last(folder)
    line = {"time": round(time.time()), "job": death.job, "status": death.status, "how": death.how, "checkpoint": here}
    with folder.deaths.open("a") as file:
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
            log_tail=folder.log_tail(),
        ),
    ).write(folder.record)
    return False


def _last(folder: RunFolder) -> dict[str, object] | None:
    try:
        lines = folder.deaths.read_text().splitlines()
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
