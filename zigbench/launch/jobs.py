"""Whose a job is: what a launch notes of itself in a run's folder, and which jobs are out of reach from here."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from typing import Any

from zigbench.launch import slurm_status


def current_user() -> str:
    """The name of the user that this process belongs to, as the system and SLURM know it; the number of one without."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def foreign_jobs(jobs: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Which jobs are another user's, or of a cluster that does not answer here: theirs to ask after and to call off.

    Args:
        jobs: what the runs' folders say of them; one that does not say whose it is counts as this user's, here.

    Raises:
        UnreachableError: SLURM does not say which cluster this is.
    """
    me = current_user()
    here = slurm_status.site() if any("site" in job for job in jobs) else None
    return [job.get("user", me) != me or job.get("site", here) != here for job in jobs]


def describe_job(job: Mapping[str, Any]) -> str:
    """A job in words: "job 12_3 of alice on lab"."""
    owner = f" of {job['user']}" if "user" in job else ""
    where = f" on {job['site']}" if job.get("site") else ""
    return f"job {job['job']}{owner}{where}"
