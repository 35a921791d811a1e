"""A small network with every kind of layer that the trainer distinguishes, and short trainings of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zigbench.data.random import step_indices
from zigbench.data.split import TensorSplit
from zigbench.interpolant import Interpolant
from zigbench.spec import OptimizerSpec, TrainingSpec
from zigbench.training import TrainingResult, fit


class Block(nn.Module):
    """Residual perceptron, with dropout where its rate is not 0."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, 2 * width)
        self.outer = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.dropout(self.outer(torch.tanh(self.inner(self.norm(h)))))


class Net(nn.Module):
    """(B, 1, 4, 4), time and label of three classes to (B, 1, 4, 4)."""

    def __init__(self, width: int = 8, depth: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.label = nn.Embedding(4, width)
        self.inp = nn.Linear(17, width)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(depth))
        self.out = nn.Linear(width, 16)

    def forward(self, x: Tensor, t: Tensor, *, label: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        h = self.inp(torch.cat([x.flatten(1), t[:, None]], dim=1)) + self.label(label % 4)
        for block in self.blocks:
            h = block(h)
        return self.out(h).view_as(x)


def net(seed: int = 0, **options: Any) -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Net(**options)


def small_split(count: int = 50) -> TensorSplit:
    generator = torch.Generator().manual_seed(5)
    label = torch.arange(count) % 3
    x = torch.rand(count, 1, 4, 4, generator=generator) * 0.5 + (label[:, None, None, None] - 1) * 0.5
    return TensorSplit("patches", x, label)


def poisoned_at(step: int) -> TensorSplit:
    """A split with one sample, first used at ``step`` of seed 0 and batch 8, that overflows when it is squared."""
    split = small_split()
    split.x[int(step_indices(0, step, 8, len(split))[3])] = 3e38
    return split


def train(folder: Path, model: nn.Module | None = None, *, split: Any = None, **changes: Any) -> TrainingResult:
    """A short training; ``changes`` go to the spec that has the field, or to :func:`fit`."""
    optimizer = {"lr": 0.01, "schedule": "cosine", "warmup": 3}
    training = {"steps": 20, "batch": 8, "ema": 0.9}
    rest: dict[str, Any] = {"seed": 0, "label_dropout": 0.2}
    interpolant = Interpolant(**{name: changes.pop(name) for name in ("path", "coupling") if name in changes})
    if changes.pop("poisoned", False):
        split = poisoned_at(step=4)
    for name, value in changes.items():
        if name in OptimizerSpec.model_fields:
            optimizer[name] = value
        elif name in TrainingSpec.model_fields:
            training[name] = value
        else:
            rest[name] = value
    return fit(
        net() if model is None else model,
        interpolant,
        small_split() if split is None else split,
        optimizer=OptimizerSpec(**optimizer),
        training=TrainingSpec(**training),
        folder=folder,
        **rest,
    )


@pytest.fixture
def split() -> TensorSplit:
    return small_split()
