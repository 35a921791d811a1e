"""The checkpoints of a run: which are kept, and which one to go on from."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from zigbench.training.checkpoints import Checkpoint, DamagedCheckpointError

log = logging.getLogger(__name__)

KEPT = 2
"""Newest checkpoints that are kept: one to go on from, and one before it."""


class CheckpointManager:
    """Checkpoints in ``folder``, each in a subfolder named after its step.

    Args:
        folder: made when the first is written.
        keep_every: those at multiples of so many steps stay; None for none.
        anchor_every: the newest two at multiples of so many steps stay, to rewind to; None for none.
    """

    def __init__(self, folder: Path, *, keep_every: int | None = None, anchor_every: int | None = None) -> None:
        self.folder = folder
        self.keep_every = keep_every
        self.anchor_every = anchor_every

    def steps(self) -> list[int]:
        """Steps of the checkpoints that there are, newest first, damaged ones included."""
        if not self.folder.exists():
            return []
        return sorted((int(path.name) for path in self.folder.iterdir() if path.name.isdigit()), reverse=True)

    def path(self, step: int) -> Path:
        return self.folder / f"{step:09d}"

    def put(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and remove those that are no longer needed.

        Raises:
            OSError: it can't be written; the ones before are untouched.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        checkpoint.write(self.path(checkpoint.step))
        steps = self.steps()
        kept = set(steps[:KEPT])
        if self.anchor_every:
            kept |= set([step for step in steps if step % self.anchor_every == 0][:KEPT])
        if self.keep_every:
            kept |= {step for step in steps if step % self.keep_every == 0}
        for step in set(steps) - kept:
            shutil.rmtree(self.path(step))

    def newest(self, *, multiple_of: int = 1) -> Checkpoint | None:
        """The newest sound checkpoint at a multiple of so many steps; None where there is none at all.

        A damaged one is named in the log and the one before it is used.

        Raises:
            DamagedCheckpointError: there are some, and every one is damaged.
        """
        faults = []
        for step in self.steps():
            if step % multiple_of:
                continue
            try:
                return Checkpoint.read(self.path(step))
            except DamagedCheckpointError as error:
                log.warning("%s; the checkpoint before it is used", error)
                faults.append(str(error))
        if faults:
            raise DamagedCheckpointError(
                f"no sound checkpoint: {'; '.join(faults)}; delete {self.folder} to start the run anew"
            )
        return None

    def forget_after(self, step: int) -> None:
        """Remove the checkpoints of later steps: damaged, or of a past that was undone."""
        for later in self.steps():
            if later > step:
                shutil.rmtree(self.path(later))
