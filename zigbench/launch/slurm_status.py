"""The state of jobs in SLURM's queue and accounts. Each question is asked once for all jobs, with a time limit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from zigbench.spec.errors import MachineError

Answer = TypeVar("Answer")

PATIENCE = 20.0
"""Seconds that SLURM has to answer."""

PERSISTENCE = 300.0
"""Seconds for which a controller that does not answer is queried again where its answer is essential."""


class UnreachableError(MachineError):
    """A SLURM that is installed and does not answer, or refuses."""


@dataclass(frozen=True)
class QueuedJob:
    """A job that waits or runs.

    Args:
        state: in SLURM's words ("PENDING").
        reason: for which it waits, in SLURM's words ("Priority"); "" where there is none.
    """

    state: str
    reason: str


def read_queue() -> dict[str, QueuedJob] | None:
    """Return the user's jobs that wait or run, by id ("12", "12_3"); None without SLURM.

    Raises:
        UnreachableError: it does not answer.
    """
    if shutil.which("squeue") is None:
        return None
    text = _ask("squeue", "--me", "--noheader", "--array", "--format=%i|%T|%r")
    entries = (line.strip().split("|", 2) for line in text.splitlines() if line.count("|") >= 2)
    return {job: QueuedJob(state, "" if reason == "None" else reason) for job, state, reason in entries}


def arrays(names: Collection[str], since: float) -> dict[str, str]:
    """Return the ids of job arrays ("12") by their names, as far as SLURM's controller or its accounts know them.

    Args:
        names: of the arrays, at least one; each belongs to one array.
        since: time of the first submission, in seconds.

    Raises:
        UnreachableError: it does not answer.
    """
    if shutil.which("squeue") is None:
        return {}
    wanted = f"--name={','.join(names)}"
    # The controller knows jobs that have ended for some minutes; so do its accounts, where it keeps any, for ever.
    text = _ask("squeue", "--me", "--noheader", "--states=all", "--format=%F|%j", wanted)
    if set(names) - {name for _, _, name in (line.partition("|") for line in text.splitlines())}:
        # The clocks of two hosts may differ.
        start = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since - 86_400))
        text += _accounts("--allocations", "--format=JobID,JobName", wanted, f"--starttime={start}")
    entries = (line.strip().partition("|") for line in text.splitlines())
    return {name: re.split(r"\D", array)[0] for array, _, name in entries if name in names}


def site() -> str | None:
    """Return the name of the cluster that answers here; None without SLURM.

    Raises:
        UnreachableError: it does not answer.
    """
    if shutil.which("scontrol") is None:
        return None
    match = re.search(r"^ClusterName\s*=\s*(\S+)", _ask("scontrol", "show", "config"), re.MULTILINE)
    return match.group(1) if match else None


ENDED = frozenset(
    {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
        "REVOKED", "TIMEOUT",
    }
)  # fmt: skip
"""The states in SLURM's accounts of a job that will not run again."""


def ends(jobs: Iterable[str]) -> dict[str, str]:
    """Return the states of jobs in SLURM's accounts ("OUT_OF_MEMORY") by id; jobs without an account are absent."""
    names = sorted(set(jobs))
    if not names:
        return {}
    text = _accounts("--format=JobID,State", "--jobs", ",".join(names))
    by_job: dict[str, str] = {}
    for line in text.splitlines():
        name, _, state = line.partition("|")
        job, _, step = name.partition(".")
        word = state.split(" ")[0]
        # The state of a step names the reason of a death more exactly than that of its job.
        if not step or (word == "OUT_OF_MEMORY" and by_job.get(job) in ENDED):
            by_job[job] = word
    return by_job


def persistently(ask: Callable[[], Answer], seconds: float = PERSISTENCE, pause: float = 1.0) -> Answer:
    """Return the answer of ``ask``, asked again while the controller does not answer: a busy one does so for minutes.

    Args:
        ask: a question of this module.
        seconds: after which to give up.
        pause: seconds before the second question; doubled each time, up to sixteen.

    Raises:
        UnreachableError: it never answered; the last message.
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
    """Return the state of the job that this process belongs to ("RUNNING"); "" for a job that SLURM does not know.

    Raises:
        UnreachableError: it does not answer.
    """
    match = re.search(r"JobState=(\w+)", _ask("scontrol", "--oneliner", "show", "job", job))
    return match.group(1) if match else ""


def seconds_left(job: str) -> float:
    """Return the seconds until the job's time limit; infinite without one.

    Raises:
        UnreachableError: SLURM does not answer.
    """
    text = _ask("squeue", "--noheader", "--jobs", job, "--format=%L").strip()
    match = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)", text)
    if not match:
        return 0.0 if text == "INVALID" else float("inf")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def requeue(job: str) -> None:
    """Put a running job back into the queue; this ends the calling process if it belongs to the job.

    Raises:
        UnreachableError: SLURM refuses.
    """
    _ask("scontrol", "requeue", job)


def cancel(jobs: Iterable[str]) -> None:
    """Cancel jobs; a job that has ended already is ignored.

    Raises:
        UnreachableError: SLURM refuses.
    """
    names = sorted(set(jobs))
    for start in range(0, len(names), 500):
        _ask("scancel", "--quiet", *names[start : start + 500])


def job_log(folder: Path, job: str) -> Path:
    """Return the file of what a job's first task and SLURM print outside the run.

    Args:
        folder: of the jobs' logs.
        job: id ("12_3"), or its pattern in a script of SLURM's ("%A_%a").
    """
    return folder / f"{job}_0_log.err"


def _accounts(*options: str) -> str:
    """Return what SLURM's accounts answer; "" where none are kept."""
    if shutil.which("sacct") is None:
        return ""
    try:
        return _ask("sacct", "--noheader", "--parsable2", *options)
    except UnreachableError:
        return ""


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=PATIENCE,
            env={**os.environ, "SLURM_TIME_FORMAT": "standard"},
        )
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"{command[0]} does not answer within {PATIENCE:.0f} s") from None
    except OSError as error:
        raise UnreachableError(f"{command[0]} cannot be run: {error}") from None
    if done.returncode:
        raise UnreachableError(f"{command[0]} says: {done.stderr.strip() or done.returncode}")
    return done.stdout
