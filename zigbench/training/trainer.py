"""Train a network: the room's one entrance."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from zigbench.backbone import recomputed
from zigbench.data.split import Split
from zigbench.interpolant import Interpolant
from zigbench.preemption import never
from zigbench.spec import OptimizerSpec, TrainingSpec
from zigbench.training import parallel
from zigbench.training.loop import Loop, Trained
from zigbench.training.precision import matrix_precision


def fit(
    model: nn.Module,
    interpolant: Interpolant,
    split: Split,
    *,
    optimizer: OptimizerSpec,
    training: TrainingSpec,
    seed: int,
    folder: Path,
    on_step: Callable[[int, float, float], None] | None = None,
    device: torch.device | str = "cpu",
    label_dropout: float = 0.0,
    leave: Callable[[], bool] = never,
    ceiling: float | None = None,
) -> Trained:
    """Train ``model`` on ``split``, from the newest checkpoint in ``folder`` where there is one.

    What comes out is a function of the arguments: a training that was killed and called again ends with the same
    bits as one left alone (on a GPU, as far as its kernels repeat themselves). Leaves ``log.jsonl`` (exact),
    ``telemetry.jsonl`` (wall-clock figures) and ``checkpoints/`` in the folder. Where processes have joined
    (see :mod:`zigbench.training.parallel`) each calls this with the same arguments and its own device.

    Args:
        model: maps (x, t, label, context) to its prediction; it is trained in place.
        interpolant: path, prediction, weighting, times, coupling.
        split: data to train on.
        optimizer, training: see the spec.
        seed: all random numbers are functions of it and the step.
        folder: of the run.
        on_step: called on rank 0 after each step with (steps done, loss, learning rate).
        device: where to compute.
        label_dropout: share of samples trained without label and context, for guidance.
        leave: asked after each step on every process; when one says yes, the training leaves a checkpoint and goes.
        ceiling: images a second that one device would train on if it did nothing but matrix products, for the
            telemetry; None where that is not known.

    Returns:
        The averaged network and what became of the training.

    Raises:
        ValueError: arguments that do not go together, before the first step.
        CheckpointError: the folder's checkpoints are damaged, or of another network or run.
        DivergedError: the loss or its gradient is not finite; the last checkpoint is kept.
        OSError: a checkpoint or a log can't be written.
        Left: on request; the checkpoint of this very step is written.
    """
    world = parallel.current()
    device = torch.device(device)
    _refuse(training, split, label_dropout, world)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        stack.enter_context(matrix_precision(training.precision))
        loop = Loop(
            model.to(device),
            interpolant,
            split,
            optimizer=optimizer,
            training=training,
            seed=seed,
            folder=folder,
            on_step=on_step,
            device=device,
            label_dropout=label_dropout,
            world=world,
            leave=leave,
            ceiling=ceiling,
        )
        if training.activation_checkpointing:
            stack.enter_context(recomputed(model))
        return loop.run()


def _refuse(training: TrainingSpec, split: Split, label_dropout: float, world: parallel.World) -> None:
    parts = world.size * training.accumulate
    if training.batch % parts:
        raise ValueError(
            f"training.batch is {training.batch}, which {world.size} processes × {training.accumulate} accumulated "
            f"parts do not divide; take a multiple of {parts}"
        )
    if training.distribution == "sharded" and training.precision == "float16":
        raise ValueError(
            "training.precision is 'float16', whose loss scale is not kept alike over sharded processes; take "
            "'bfloat16', or training.distribution = 'replicated'"
        )
    if not 0 <= label_dropout <= 1:
        raise ValueError(f"label_dropout is {label_dropout}; it must lie in [0, 1]")
    if len(split) == 0:
        raise ValueError(f"the data set {split.name!r} holds no samples to train on")
