"""What SLURM says of jobs: its queue, its accounts, one job. Every question is asked once, for all, and is bounded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from zigbench.spec.errors import MachineError

Answer = TypeVar("Answer")

PATIENCE = 20.0
"""Seconds that SLURM has to answer."""

PERSISTENCE = 300.0
"""Seconds for which a controller that does not answer is asked again where much hangs on its answer."""


@dataclass(frozen=True)
class Queue:
    """The user's jobs that wait or run, by id ("12", "12_3"), with their states ("PENDING")."""

    states: Mapping[str, str]

    def holds(self, job: str) -> bool:
        """Whether a job waits or runs."""
        return job in self.states


class UnreachableError(MachineError):
    """SLURM is installed and does not answer."""


def read_queue() -> Queue | None:
    """The queue; None where there is no SLURM.

    Raises:
        UnreachableError: it does not answer.
    """
    if shutil.which("squeue") is None:
        return None
    lines = _ask("squeue", "--me", "--noheader", "--array", "--format=%i|%T").splitlines()
    return Queue(dict(line.strip().split("|", 1) for line in lines if "|" in line))


def site() -> str | None:
    """The name of the cluster that answers here; None where there is no SLURM.

    Raises:
        UnreachableError: it does not answer.
    """
    if shutil.which("scontrol") is None:
        return None
    found = re.search(r"^ClusterName\s*=\s*(\S+)", _ask("scontrol", "show", "config"), re.MULTILINE)
    return found.group(1) if found else None


ENDED = frozenset(
    {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
        "REVOKED", "TIMEOUT",
    }
)  # fmt: skip
"""The states in SLURM's accounts of a job that will not run again."""


def ends(jobs: Iterable[str]) -> dict[str, str]:
    """The states of jobs in SLURM's accounts ("OUT_OF_MEMORY"), by id; those that no account is kept of are absent."""
    asked = sorted(set(jobs))
    if not asked or shutil.which("sacct") is None:
        return {}
    try:
        text = _ask("sacct", "--noheader", "--parsable2", "--format=JobID,State", "--jobs", ",".join(asked))
    except UnreachableError:
        return {}
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, state = line.partition("|")
        job, _, step = name.partition(".")
        word = state.split(" ")[0]
        # A step knows better than its job why it died, if it did.
        if not step or (word == "OUT_OF_MEMORY" and found.get(job) in ENDED):
            found[job] = word
    return found


def persistently(ask: Callable[[], Answer], seconds: float = PERSISTENCE, pause: float = 1.0) -> Answer:
    """What ``ask`` returns, asked again while the controller does not answer: a busy one drops requests for minutes.

    Args:
        ask: a question of this module.
        seconds: after which to give up.
        pause: seconds before the second question; doubled each time, up to sixteen.

    Raises:
        UnreachableError: it never answered; in its last words.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except UnreachableError:
            if time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 16.0)


def own_state(job: str) -> str:
    """The state of the job this process belongs to ("RUNNING"); "" of a job that SLURM says nothing of.

    Raises:
        UnreachableError: it does not answer.
    """
    found = re.search(r"JobState=(\w+)", _ask("scontrol", "--oneliner", "show", "job", job))
    return found.group(1) if found else ""


def seconds_left(job: str) -> float:
    """Until the job's time limit; infinite without one.

    Raises:
        UnreachableError: SLURM does not answer.
    """
    text = _ask("squeue", "--noheader", "--jobs", job, "--format=%L").strip()
    found = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)", text)
    if not found:
        return 0.0 if text == "INVALID" else float("inf")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def requeue(job: str) -> None:
    """Put a running job back into the queue; this ends the process that asks, if it belongs to the job.

    Raises:
        UnreachableError: it is refused.
    """
    _ask("scontrol", "requeue", job)


def cancel(jobs: Iterable[str]) -> None:
    """Cancel jobs; one that is gone already is no fault.

    Raises:
        UnreachableError: SLURM refuses.
    """
    asked = sorted(set(jobs))
    for start in range(0, len(asked), 500):
        _ask("scancel", "--quiet", *asked[start : start + 500])


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={**os.environ, "SLURM_TIME_FORMAT": "standard"},
        )
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"{command[0]} does not answer within {PATIENCE:.0f} s") from None
    except OSError as error:
        raise UnreachableError(f"{command[0]} can't be run: {error}") from None
    if done.returncode:
        raise UnreachableError(f"{command[0]} says: {done.stderr.strip() or done.returncode}")
    return done.stdout
