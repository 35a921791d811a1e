"""After a task that did not end well: ``python -m zigbench.launch.epilogue JOBS CODE NOTICE``, in the job's script.

The one place that decides whether a job is queued again. It runs on the job's own node the moment the task is over,
so a task that was killed is noticed at once; what takes the whole node down is noticed by the next one to look
(:mod:`zigbench.launch.reconcile`).
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from zigbench.launch import slurm_status
from zigbench.launch.job import Job
from zigbench.launch.retry import JobEnd, should_retry
from zigbench.preemption import EXIT_REQUEUE
from zigbench.records.folder import RunFolder
from zigbench.records.record import Status

MARGIN = 30.0
"""Seconds by which the notice of a time limit may come early."""


def requeue_or_record(job: Job, code: int, notice: float, log: Path) -> None:
    """Queue the run's job again, or record why not.

    Args:
        job: what the task was to do.
        code: it ended with.
        notice: seconds before the time limit at which it was told to leave.
        log: what the job printed outside the run, and SLURM of it.

    Raises:
        OSError: the run's folder can't be written.
        UnreachableError: SLURM refuses to queue the job again, or has not answered for minutes.
    """
    folder, me = RunFolder(job.folder), os.environ["SLURM_JOB_ID"]
    # Without its file the run was cancelled; in any other state than running the scheduler has its own plans.
    if folder.record.exists() or not folder.job.exists():
        return
    # Nobody else queues the job again, so a controller that is busy is asked until it answers.
    if slurm_status.persistently(lambda: slurm_status.own_state(me)) != "RUNNING":
        return
    late = slurm_status.persistently(lambda: slurm_status.seconds_left(me)) <= notice + MARGIN
    said = log.read_text(errors="replace") if log.exists() else ""
    if (code == EXIT_REQUEUE and not late) or should_retry(folder, JobEnd(*_cause(code, said), me, log)):
        slurm_status.persistently(lambda: slurm_status.requeue(me))


OUT_OF_MEMORY = re.compile(r"oom.kill|exceeded (?:job |step )?memory limit", re.IGNORECASE)
"""What SLURM writes when it ends a step for its memory, with control groups and without."""


def _cause(code: int, said: str) -> tuple[Status, str]:
    if code == EXIT_REQUEUE:
        return "timeout", "the job reached its time limit"
    # The log of the lives before this one ends with the scheduler's own line.
    if OUT_OF_MEMORY.search(said.rpartition("*** JOB")[2]):
        return "oom", "the job took more memory than it had asked for"
    if code > 128:
        return "failed", f"the task was killed by signal {code - 128}"
    return "failed", f"the task exited with {code}"


def main(jobs: Path, code: int, notice: float) -> None:
    from submitit.core.job_environment import JobEnvironment
    from submitit.core.utils import DelayedSubmission

    os.environ["SUBMITIT_FOLDER"] = str(jobs)
    paths = JobEnvironment().paths
    job = DelayedSubmission.load(paths.submitted_pickle).function
    assert isinstance(job, Job)
    requeue_or_record(job, code, notice, paths.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
