"""Call runs off: their jobs end, nothing that they have written is lost."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence

from zigbench.folder import RunFolder
from zigbench.launch import queue


def cancel(folders: Sequence[RunFolder]) -> list[RunFolder]:
    """Cancel the jobs of runs that wait or run; a run that is begun goes on from its checkpoint when launched again.

    Returns:
        The runs that had a job.

    Raises:
        UnreachableError: SLURM refuses.
    """
    cancelled: list[RunFolder] = []
    slurm: list[str] = []
    for folder in folders:
        job = folder.read_job()
        if not job or folder.record.exists():
            continue
        # Gone first: whoever finds the run without a job knows that it is not to be taken up again.
        folder.job.unlink(missing_ok=True)
        cancelled.append(folder)
        if job["cluster"] == "slurm":
            slurm.append(job["job"])
        else:
            _stop_worker(folder)
    queue.cancel(slurm)
    return cancelled


def _stop_worker(folder: RunFolder) -> None:
    holder = folder.holder()
    if holder is not None and holder["host"] == os.uname().nodename:
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder["pid"], signal.SIGKILL)
