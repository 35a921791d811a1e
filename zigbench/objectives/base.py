"""The interface between the trainer and an objective."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Generator, Tensor, nn

from zigbench.interpolant import Interpolant
from zigbench.interpolant.interpolant import spread
from zigbench.interpolant.state import PathState
from zigbench.objectives.config import InterpolantConfig
from zigbench.spec.plugins import ObjectiveConfig


class Batch(Protocol):
    """A part of a training batch; :class:`zigbench.training.batches.TrainingBatch` says what each tensor is."""

    @property
    def x(self) -> Tensor: ...
    @property
    def noise(self) -> Tensor: ...
    @property
    def t(self) -> Tensor: ...
    @property
    def end(self) -> Tensor | None: ...
    @property
    def label(self) -> Tensor | None: ...
    @property
    def context(self) -> Tensor | None: ...


def velocity_of(state: PathState, data: Tensor, noise: Tensor) -> Tensor:
    """Return α̇ x* + σ̇ ε of data and noise (B, …): the velocity of a sample along its own line."""
    return spread(state.dalpha, data) * data + spread(state.dsigma, data) * noise


class Objective:
    """An objective of training: the times of a batch, and the loss of each of its samples.

    Args:
        config: the objective's options.
        interpolant: path, prediction, weighting, times and coupling.
        teacher: the trained network that a distillation follows, in evaluation mode, with the interpolant's meaning.
    """

    def __init__(self, config: ObjectiveConfig, interpolant: Interpolant, teacher: nn.Module | None = None) -> None:
        self.config: Any = config
        self.interpolant = interpolant
        self.teacher = teacher

    def times(self, t: Tensor, generator: Generator) -> tuple[Tensor, Tensor | None]:
        """Return the times of a batch, and the second times of an objective that has them.

        Args:
            t: (B,), drawn by the interpolant.
            generator: the source of further random numbers, seeded for this step; on its own device.
        """
        return t, None

    def loss(
        self, model: nn.Module, part: Batch, *, network: nn.Module, average: nn.Module, step: int, steps: int
    ) -> Tensor:
        """Return the loss of each sample, (B,), in float32 (float64 for such data).

        Args:
            model: the network as it is trained: compiled, replicated or sharded where the run says so.
            part: of the step's batch.
            network: the same weights, neither compiled nor replicated, for derivatives in forward mode.
            average: the moving average of the weights, in evaluation mode.
            step: of the training, from 0.
            steps: of the whole training.
        """
        raise NotImplementedError

    @property
    def facts(self) -> dict[str, Any]:
        """The description of the objective, for checkpoints that are trained with it; empty for the default."""
        if type(self.config) is InterpolantConfig:
            return {}
        return {"objective": {"class": type(self).__qualname__, **self.config.model_dump(mode="json")}}
