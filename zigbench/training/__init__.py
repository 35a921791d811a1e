"""Training: one loop for one process or many, exact to resume."""

from __future__ import annotations

from zigbench.training.checkpoint import CheckpointError
from zigbench.training.distributed import joined
from zigbench.training.divergence import DivergedError
from zigbench.training.fitting import fit
from zigbench.training.loop import Trained

__all__ = ["CheckpointError", "DivergedError", "Trained", "fit", "joined"]
