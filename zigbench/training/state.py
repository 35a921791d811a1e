"""Everything a training needs to go on: taken to the shelf, and put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from zigbench.spec import NOT_IDENTITY, OptimizerSpec, TrainingSpec
from zigbench.training.checkpoints import Checkpoint
from zigbench.training.ema import Average
from zigbench.training.parallel import World
from zigbench.training.progress import Progress
from zigbench.training.sharded import share, whole
from zigbench.training.shelf import CheckpointManager
from zigbench.training.step import Stepper

FOLDER = "checkpoints"


class Keeper:
    """Saves and restores one training.

    Args:
        facts: what the run is besides its network, optimizer and training spec, as JSON values.
    """

    def __init__(
        self,
        model: nn.Module,
        average: Average,
        stepper: Stepper,
        progress: Progress,
        folder: Path,
        training: TrainingSpec,
        facts: dict[str, Any],
        world: World,
    ) -> None:
        self.model = model
        self.average = average
        self.stepper = stepper
        self.progress = progress
        self.training = training
        self.world = world
        self.facts = {
            "architecture": {name: f"{v.dtype} {tuple(v.shape)}" for name, v in model.state_dict().items()},
            "optimizer": stepper.spec.model_dump(mode="json"),
            "training": identity(training),
            **facts,
        }
        self._anchors = training.rewind_every if training.on_divergence == "rewind" else None
        self.shelf = CheckpointManager(folder / FOLDER, keep_every=training.keep_every, anchor_every=self._anchors)

    def due(self, step: int) -> bool:
        """Whether a checkpoint belongs at this step, whatever the time."""
        everies = (self.training.checkpoint_every, self.training.keep_every, self._anchors)
        return any(every and step % every == 0 for every in everies)

    def holds(self, step: int) -> bool:
        """Whether there is a checkpoint of this step."""
        return step in self.shelf.steps()

    def save(self, log_length: int, telemetry_length: int) -> None:
        """Put a checkpoint of now on the shelf; rank 0 does, and everyone gives it what they keep."""
        self.average.gather()
        weights, optimizer = whole(self.model.state_dict()), whole(self.stepper.optimizer.state_dict())
        if not self.world.main:
            return
        state = {
            "optimizer": optimizer,
            "scaler": self.stepper.scaler.state_dict(),
            "progress": self.progress.kept(),
            "lengths": [log_length, telemetry_length],
        }
        self.shelf.put(Checkpoint(self.progress.step, self.facts, weights, self.average.model.state_dict(), state))

    def resume(self) -> tuple[int, int]:
        """Put back the newest sound checkpoint and forget later ones; the lengths of log and telemetry to go on from.

        Raises:
            CheckpointError: it is of another network or run, or all are damaged.
        """
        return self._put_back(self.shelf.newest())

    def rewind(self) -> tuple[int, int]:
        """Put back the newest anchor and forget what came after it; the lengths to go on from."""
        assert self._anchors is not None
        anchor = self.shelf.newest(multiple_of=self._anchors)
        assert anchor is not None
        return self._put_back(anchor)

    def _put_back(self, checkpoint: Checkpoint | None) -> tuple[int, int]:
        # Everyone reads the same files before rank 0 writes again.
        steps = self.world.gather(None if checkpoint is None else checkpoint.step)
        assert len(set(steps)) == 1, f"processes see different checkpoints: {steps}"
        if checkpoint is None:
            return 0, 0
        checkpoint.refuse_other(self.facts, self.shelf.path(checkpoint.step))
        own = self.model.state_dict()
        self.model.load_state_dict({name: share(value, own[name]) for name, value in checkpoint.weights.items()})
        self.average.model.load_state_dict(checkpoint.average)
        self.average.scatter()
        self.stepper.optimizer.load_state_dict(checkpoint.state["optimizer"])
        self.stepper.scaler.load_state_dict(checkpoint.state["scaler"])
        self.progress.restore(checkpoint.state["progress"])
        # What lies after it will be done again: a damaged one that stayed would be taken for what is written then.
        if self.world.main:
            self.shelf.forget_after(checkpoint.step)
        log_length, telemetry_length = checkpoint.state["lengths"]
        return log_length, telemetry_length


def identity(spec: OptimizerSpec | TrainingSpec) -> dict[str, Any]:
    """The fields of a part of a spec that bear on the result, as JSON values."""
    marked = {name for name, field in type(spec).model_fields.items() if field.json_schema_extra == NOT_IDENTITY}
    return spec.model_dump(mode="json", exclude=marked)
