"""Training: one loop for one process or many, exact to resume."""

from __future__ import annotations

from zigbench.training.arguments import TrainingResult
from zigbench.training.checkpoints import CheckpointError
from zigbench.training.divergence import DivergedError
from zigbench.training.parallel import current_world, process_group
from zigbench.training.trainer import fit

__all__ = ["CheckpointError", "DivergedError", "TrainingResult", "current_world", "fit", "process_group"]
