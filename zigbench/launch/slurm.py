"""Submission to SLURM: one script for an array of runs with equal resources, and the code that they run."""

from __future__ import annotations

import json
import math
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zigbench.launch.clusters import Cluster
from zigbench.launch.slurm_status import job_log
from zigbench.runs.process import RunOptions, command
from zigbench.spec import Resources
from zigbench.spec.errors import MachineError

SUBMISSION = 300.0
"""Seconds that SLURM has to take an array; a controller that is busy takes minutes."""


class UnansweredError(MachineError):
    """A submission whose answer is lost: SLURM may have the jobs, and their runs' folders note their name."""


def submit(
    runs: Sequence[RunOptions],
    resources: Resources,
    cluster: Cluster,
    folder: Path,
    *,
    name: str,
    setup: Sequence[str] = (),
    max_parallel: int | None = None,
    after: Sequence[str] = (),
) -> str:
    """Submit runs as one array with equal resources.

    Args:
        runs: the runs of the jobs; at most ``cluster.max_array``.
        resources: the resources of each.
        cluster: profile of the site.
        folder: for the jobs' logs, on the shared file system.
        name: of the jobs, in the queue and in the accounts.
        setup: shell lines before a run, after those of the cluster.
        max_parallel: jobs of an array that run at a time; None for the cluster's.
        after: jobs that must end well before these begin; where one does not, SLURM removes these.

    Returns:
        The id of the array ("12"); its tasks are numbered in the order of the runs.

    Raises:
        UnansweredError: SLURM may have taken the array or not.
        ValueError: there is no SLURM here, or it refuses; the message quotes it.
    """
    if shutil.which("sbatch") is None:
        raise ValueError("there is no SLURM here (no sbatch on the path); submit on a login node, or --on local")
    folder.mkdir(parents=True, exist_ok=True)
    parallel = min(len(runs), max_parallel or cluster.max_parallel)
    text = script(runs, resources, cluster, folder, name=name, setup=setup, max_parallel=parallel, after=after)
    # It ends with this process: an array that was queued later would not be found by the next launch.
    bound = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    # Not through a pipe, which would end in the middle of the script if this process were killed.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        file.seek(0)
        try:
            done = subprocess.run(
                [*bound, "sbatch", "--parsable"],
                stdin=file,
                capture_output=True,
                encoding="utf-8",
                errors="surrogateescape",
                timeout=SUBMISSION,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UnansweredError(_unanswered(f"not within {SUBMISSION:.0f} s")) from None
    message = done.stderr.strip() or f"exit code {done.returncode}"
    if done.returncode and "timed out" in message:
        raise UnansweredError(_unanswered(message))
    if done.returncode:
        raise ValueError(f"SLURM refuses the submission: {message}")
    return done.stdout.strip().partition(";")[0]


def _unanswered(reason: str) -> str:
    return f"SLURM has not answered the submission ({reason}); the next launch finds the jobs if SLURM has them"


def script(
    runs: Sequence[RunOptions],
    resources: Resources,
    cluster: Cluster,
    folder: Path,
    *,
    name: str,
    setup: Sequence[str],
    max_parallel: int,
    after: Sequence[str] = (),
) -> str:
    """Return the script of an array; arguments as :func:`submit`.

    Each task's line of JSON stands in the script itself, so a job that starts again, after a requeue or on another
    node, needs nothing but the run's folder.
    """
    minutes = max(1, math.ceil(60 * min(resources.hours, cluster.max_hours or math.inf)))
    notice = min(cluster.notice_seconds, 20 * minutes)
    # In the names of logs, SLURM replaces %j and the like; a "%" of the folder's own is doubled.
    log = job_log(Path(str(folder).replace("%", "%%")), "%A_%a")
    directives: Mapping[str, Any] = {
        "array": f"0-{len(runs) - 1}%{max_parallel}",
        "time": minutes,
        "nodes": resources.nodes,
        "ntasks-per-node": resources.processes,
        "cpus-per-task": resources.cpus,
        "mem": f"{math.ceil(1024 * resources.memory_gb)}M",
        "gpus-per-node": resources.gpus or None,
        "partition": resources.partition or cluster.partition,
        "account": cluster.account,
        "qos": cluster.qos,
        "constraint": cluster.constraint,
        "exclude": cluster.exclude,
        "exclusive": resources.exclusive or None,
        "signal": f"TERM@{notice}",  # The signal that preemption sends, too.
        "output": log.with_suffix(".out"),
        "error": log,
        "open-mode": "append",
        "requeue": True,
        "dependency": f"afterok:{':'.join(after)}" if after else None,
        "kill-on-invalid-dep": "yes" if after else None,
        **cluster.options,
        "job-name": name,  # By which a launch finds its jobs again.
    }
    task_log = log.with_name(log.name.replace("_0_", "_%t_"))
    # A task that is killed ends the others, which would wait for it; one that fails says so itself.
    srun = ["srun", "--unbuffered", "--kill-on-bad-exit=1"]
    srun += [f"--output={task_log.with_suffix('.out')}", f"--error={task_log}"]
    end = {"notice": notice, "logs": str(folder)}
    return "\n".join(
        [
            "#!/bin/bash",
            *(_directive(key, value) for key, value in directives.items() if value not in (None, False)),
            *cluster.setup,
            *setup,
            # Both are set before Python starts: libraries read the first once, srun reads the second.
            f"export OMP_NUM_THREADS={resources.cpus} SRUN_CPUS_PER_TASK={resources.cpus}",
            "tasks=(",
            *(shlex.quote(run.line) for run in runs),
            ")",
            'task="${tasks[$SLURM_ARRAY_TASK_ID]}"',
            # The script outlives its task to see how it ended; the trap runs when the task is over.
            "trap : TERM",
            f'{shlex.join([*srun, *command("zigbench.runs.worker")])} "$task"',
            "code=$?",
            f"end={shlex.quote(json.dumps(end)[:-1])}', \"code\": '$code', \"task\": '$task'}}'",
            f'[ $code = 0 ] || {shlex.join(command("zigbench.launch"))} "$end"',
            "exit $code",
            "",
        ]
    )


def _directive(key: str, value: object) -> str:
    name = f"#SBATCH --{key.replace('_', '-')}"
    return name if value is True else f"{name}={shlex.quote(str(value))}"
