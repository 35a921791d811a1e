"""The arguments of a training, checked together, with the description of the run by them; and its outcome."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zigbench.data.split import Split
from zigbench.interpolant import Interpolant
from zigbench.objectives.base import Objective
from zigbench.spec import OptimizerSpec, TrainingSpec
from zigbench.spec.base import identity


@dataclass(frozen=True)
class TrainingArguments:
    """The arguments of :func:`zigbench.training.fit`, which says what each is."""

    model: nn.Module
    interpolant: Interpolant
    objective: Objective
    split: Split
    optimizer: OptimizerSpec
    training: TrainingSpec
    seed: int
    folder: Path
    on_step: Callable[[int, float, float], None] | None
    device: torch.device
    label_dropout: float
    stop_requested: Callable[[], bool]
    peak_images_per_second: float | None
    measure_at: Collection[int]
    measure: Callable[[int, nn.Module], None] | None
    before_write: Callable[[], None]

    def check(self, processes: int) -> None:
        """Raise ValueError for arguments that are not allowed together.

        Raises:
            ValueError: names the argument, what is allowed and what to do.
        """
        training = self.training
        parts = processes * training.accumulate
        if training.batch % parts:
            raise ValueError(
                f"training.batch is {training.batch}, which {processes} processes × {training.accumulate} accumulated "
                f"parts do not divide; take a multiple of {parts}"
            )
        if training.distribution == "sharded" and training.precision == "float16":
            raise ValueError(
                "training.precision is 'float16', for which sharded processes have no common loss scale; take "
                "'bfloat16', or training.distribution = 'replicated'"
            )
        if training.on_divergence == "rewind":
            raise ValueError(
                "training.on_divergence is 'rewind', which was removed: a training that diverges is recorded as "
                "diverged; take 'stop', with a lower optimizer.lr or a longer optimizer.warmup"
            )
        if not 0 <= self.label_dropout <= 1:
            raise ValueError(f"label_dropout is {self.label_dropout}; it must lie in [0, 1]")
        if len(self.split) == 0:
            raise ValueError(f"the data set {self.split.name!r} holds no samples to train on")

    @property
    def facts(self) -> dict[str, Any]:
        """Description of the run; a checkpoint with another description belongs to another run."""
        return {
            "architecture": {name: f"{v.dtype} {tuple(v.shape)}" for name, v in self.model.state_dict().items()},
            "optimizer": self.optimizer.model_dump(mode="json"),
            "training": identity(TrainingSpec, self.training.model_dump(mode="json")),
            "seed": self.seed,
            "data": self.split.content_hash,
            "label_dropout": self.label_dropout,
            "interpolant": self.interpolant.facts,
            **self.objective.facts,
        }


@dataclass(frozen=True)
class TrainingResult:
    """The outcome of a training.

    Attributes:
        model: the averaged network, in evaluation mode.
        step: steps done.
        images_seen: samples drawn, with repetition.
        loss: mean training loss over the last tenth of the steps.
        curve: (steps done, mean loss since the entry before).
    """

    model: nn.Module
    step: int
    images_seen: int
    loss: float
    curve: tuple[tuple[int, float], ...]
