"""Training: one loop for one process or many, exact to resume."""

from __future__ import annotations

from zigbench.training.checkpoints import CheckpointError
from zigbench.training.divergence import DivergedError
from zigbench.training.parallel import current_world, process_group
from zigbench.training.trainer import TrainingResult, fit

__all__ = ["CheckpointError", "DivergedError", "TrainingResult", "current_world", "fit", "process_group"]
