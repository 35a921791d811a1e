"""Call runs off: their jobs end, nothing that they have written is lost."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence

from zigbench.launch import slurm_status
from zigbench.launch.jobs import foreign_jobs
from zigbench.records.folder import RunFolder


def cancel(folders: Sequence[RunFolder]) -> list[RunFolder]:
    """Cancel the jobs of runs that wait or run; a run that is begun goes on from its checkpoint when launched again.

    Returns:
        The runs that had a job. One of another user's, or of another cluster, is left as it is and is not among them.

    Raises:
        UnreachableError: SLURM refuses, or does not answer; every run keeps its job.
    """
    found = [(folder, job) for folder in folders if (job := folder.read_job()) and not folder.record.exists()]
    foreign = foreign_jobs([job for _, job in found])
    mine = [pair for pair, of_another in zip(found, foreign, strict=True) if not of_another]
    # The scheduler first: only a job that is called off may be forgotten.
    slurm_status.cancel(job["job"] for _, job in mine if job["cluster"] == "slurm")
    for folder, job in mine:
        # Before its worker ends: who lost a run without a job knows that it is not to be taken up again.
        folder.job.unlink(missing_ok=True)
        if job["cluster"] == "local":
            _stop_worker(folder)
    return [folder for folder, _ in mine]


def _stop_worker(folder: RunFolder) -> None:
    holder = folder.holder()
    if holder is not None and holder["host"] == os.uname().nodename:
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder["pid"], signal.SIGKILL)
