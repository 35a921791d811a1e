"""Training: one loop for one process or many, exact to resume."""

from __future__ import annotations

from zigbench.training.checkpoints import CheckpointError
from zigbench.training.divergence import DivergedError
from zigbench.training.loop import Trained
from zigbench.training.parallel import joined
from zigbench.training.trainer import fit

__all__ = ["CheckpointError", "DivergedError", "Trained", "fit", "joined"]
