"""Jobs that a version before 0.2 queued: each ends with a one-line message. The next version removes this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn


class Job:
    """A job as its pickle names it, in the folder that submitit made for it."""

    folder: Path

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.folder = state["folder"]

    def __call__(self) -> NoReturn:
        """End without doing the run.

        Raises:
            SystemExit: always; its message says what to do.
        """
        raise SystemExit(
            f"zigbench: the job of run {self.folder.name} was queued by an older version, which this one does not "
            "continue; `zigbench launch` submits the run again"
        )
