"""Submit runs to SLURM: an array of those with equal resources."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zigbench.launch.clusters import Cluster
from zigbench.spec import Resources

CHAINS = 10**6
"""How often submitit may queue a job again; the runs' own rule of deaths ends what gets nowhere."""


def submit(
    calls: Sequence[Callable[[], None]],
    resources: Resources,
    cluster: Cluster,
    folder: Path,
    *,
    name: str,
    setup: Sequence[str] = (),
    max_parallel: int | None = None,
) -> list[str]:
    """Submit picklable calls as one array with equal resources.

    Args:
        calls: what the jobs call; at most ``cluster.max_array``.
        resources: what each may use.
        cluster: profile of the site.
        folder: for submitit's files, on the shared file system.
        name: of the jobs, in the queue.
        setup: shell lines before a run, after those of the cluster.
        max_parallel: jobs of an array that run at a time; None for the cluster's.

    Returns:
        The jobs' ids ("12_3"), in the order of the calls.

    Raises:
        ValueError: there is no SLURM here, or it refuses; its own words are quoted.
    """
    if shutil.which("sbatch") is None:
        raise ValueError("there is no SLURM here (no sbatch on the path); submit on a login node, or --on local")
    # Read by submitit when it is imported: the signal that asks for leaving, the one that preemption sends as well.
    os.environ["SUBMITIT_PREEMPT_SIGNAL"] = "TERM"
    import submitit
    from submitit.core.utils import FailedJobError

    executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=CHAINS)
    executor.update_parameters(
        name=name, **_parameters(resources, cluster, folder, setup, max_parallel or cluster.max_parallel)
    )
    try:
        with executor.batch():
            jobs = [executor.submit(call) for call in calls]
    except FailedJobError as error:
        raise ValueError(f"SLURM refuses the submission: {str(error).strip()}") from None
    return [job.job_id for job in jobs]


def _parameters(
    resources: Resources, cluster: Cluster, folder: Path, setup: Sequence[str], max_parallel: int
) -> dict[str, Any]:
    minutes = max(1, math.ceil(60 * min(resources.hours, cluster.max_hours or math.inf)))
    notice = min(cluster.notice_seconds, 20 * minutes)
    after = f"{shlex.quote(sys.executable)} -m zigbench.launch.epilogue {shlex.quote(str(folder))} $code {notice}"
    asked: Mapping[str, Any] = {
        "timeout_min": minutes,
        "nodes": resources.nodes,
        "tasks_per_node": resources.processes,
        "cpus_per_task": resources.cpus,
        "mem_gb": resources.memory_gb,
        "gpus_per_node": resources.gpus or None,
        "slurm_partition": resources.partition or cluster.partition,
        "slurm_account": cluster.account,
        "slurm_qos": cluster.qos,
        "slurm_constraint": cluster.constraint,
        "slurm_exclude": cluster.exclude,
        "slurm_exclusive": resources.exclusive or None,
        "slurm_signal_delay_s": notice,
        "slurm_array_parallelism": max_parallel,
        "slurm_additional_parameters": {"requeue": True, **cluster.options},
        "slurm_setup": [
            *cluster.setup,
            *setup,
            "export SUBMITIT_PREEMPT_SIGNAL=TERM",
            # Both stand before Python starts: libraries read the one once, srun asks for the other itself.
            f"export OMP_NUM_THREADS={resources.cpus} SRUN_CPUS_PER_TASK={resources.cpus}",
            # The script outlives its task to see what became of it; the trap runs when the task is over.
            "trap : TERM",
        ],
        # A task that is killed ends the others, which would wait for it; one that fails says so itself.
        "slurm_srun_args": ["--kill-on-bad-exit=1"],
        "slurm_teardown": ["code=$?", f"[ $code = 0 ] || {after}", "exit $code"],
    }
    return {key: value for key, value in asked.items() if value is not None}
