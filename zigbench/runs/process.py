"""Processes of this package: started as a module with one line of JSON, described by their exit codes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from zigbench.records.folder import RunFolder
from zigbench.spec.base import Positive, Spec
from zigbench.spec.registry import PLUGINS_VARIABLE


class Options(Spec):
    """The options of a process of this package."""

    @property
    def line(self) -> str:
        """These options as one line of JSON."""
        return self.model_dump_json(exclude_defaults=True)


class WorkerOptions(Options):
    """The options of a worker that serves a launch; it reads the ids of its runs from standard input, a line each.

    Args:
        results: folder of the runs.
        cpus: threads of each process.
        ranks: processes that do a run together; 0 for one per visible GPU.
        gpus: GPUs that a run may use.
        limit: seconds that a run may take, each in a process of its own; None for runs without a limit.
    """

    results: Path
    cpus: Positive
    ranks: int = 0
    gpus: int = 0
    limit: float | None = None


class RunOptions(Options):
    """The options of a worker that does one run, alone or as one of several ranks.

    Args:
        run: folder of the run, absolute.
        cpus: threads of each process.
        plugins: value of ``ZIGBENCH_PLUGINS``; "" for the value that the environment has.
        token: name of the SLURM job that this worker belongs to; "" outside SLURM, and in jobs of older versions.
        stop_with_input: stop at once when standard input closes.
    """

    run: Path
    cpus: Positive
    plugins: str = ""
    token: str = ""
    stop_with_input: bool = False

    def set_plugins(self) -> None:
        """Let this process import the plug-ins of the run's launch, whatever its environment names."""
        if self.plugins:
            os.environ[PLUGINS_VARIABLE] = self.plugins


def command(module: str, *lines: str) -> list[str]:
    """Return the command that starts a module of this package.

    The module search path is without the working directory (``-P``): a folder ``backbones`` or ``suites`` there would
    be imported instead of this package's.

    Args:
        module: dotted name.
        lines: its options, one line of JSON; none where a shell adds it.
    """
    return [sys.executable, "-P", "-m", module, *lines]


def read_options(*kinds: type[Options]) -> Options:
    """Return the options in this process's one argument, as the first of ``kinds`` that they fit.

    Raises:
        SystemExit: the arguments are those of another version; one line says so.
    """
    for kind in kinds:
        try:
            (line,) = sys.argv[1:]
            return kind.model_validate_json(line)
        except ValueError:  # Options of another kind, or not one line of JSON.
            continue
    sys.exit(
        f"zigbench: expected one line of JSON, not {' '.join(sys.argv[1:])!r}: the job was submitted by another "
        "version; `zigbench launch` submits its run again"
    )


def slurm_job() -> str:
    """Return the SLURM job that this process belongs to ("12_3"), as a run's ``job.json`` names it; "" outside SLURM.

    A task of an array also has a number of its own, but that of the array's last task is the array's: commands given
    that number reach every task.
    """
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")


def has_job(folder: RunFolder, options: RunOptions) -> bool:
    """Return whether a run still belongs to the SLURM job of this process; True outside SLURM.

    A run without a job was cancelled; one that names another job was launched again.
    """
    noted, job = folder.read_job(), slurm_job()
    if not job or (not noted and folder.job.exists()):  # Of a file that cannot be read, nothing is known.
        return True
    return bool(noted.get("token") == options.token if options.token else noted.get("job", job) == job)


def describe_exit(code: int) -> str:
    """Describe the end of a process by its exit code as :mod:`subprocess` gives it: "was killed by SIGKILL …"."""
    if code >= 0:
        return f"exited with {code}"
    cause = " (the system does that when memory runs out)" if code == -signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-code).name}{cause}"
