"""A run that does nothing, for the scheduler's sake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zigbench.records.folder import RunFolder
from zigbench.records.record import Record


@dataclass(frozen=True)
class NoOp:
    """Writes a run's record, and does nothing for it."""

    folder: Path

    def __call__(self) -> None:
        run = RunFolder(self.folder)
        Record(id=run.id, status="ok", spec=run.read_spec().resolved()).write(run.record)
