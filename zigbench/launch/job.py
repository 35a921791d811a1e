"""What is sent to a scheduler: the name of a run's folder, and nothing that the run knows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from zigbench.preemption import EXIT_REQUEUE
from zigbench.spec.registry import PLUGINS_VARIABLE, load_object


@dataclass(frozen=True)
class Job:
    """Does one run when it is called, in the process that a scheduler started.

    It carries no state: a job that starts again finds the run's checkpoint on the disk, however the one before ended.

    Args:
        folder: of the run, absolute.
        cpus: threads.
        plugins: what the submitter's ``ZIGBENCH_PLUGINS`` named.
    """

    folder: Path
    cpus: int
    plugins: str = ""

    def __call__(self) -> None:
        """Do the run, or what is left of it.

        Raises:
            SystemExit: it is not done; the code says how it ended.
        """
        if self.plugins:
            os.environ[PLUGINS_VARIABLE] = self.plugins
        code = load_object("zigbench.runs.worker:do_one")(self.folder, self.cpus)
        if code:
            raise SystemExit(code)

    def checkpoint(self) -> NoReturn:
        """What submitit calls on a signal that comes before the run itself listens: leave, there is nothing to save.

        Whether the job is queued again is decided in one place, after the task: see
        :mod:`zigbench.launch.epilogue`.
        """
        raise SystemExit(EXIT_REQUEUE)
