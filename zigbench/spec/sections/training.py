"""The training of a run: its length, its arithmetic, its averages, its checkpoints and its log."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from zigbench.spec.base import NOT_IDENTITY, Positive, Share, Spec, later_key

Width = Annotated[float, Field(gt=0.0, lt=0.28)]
"""Relative width of a power-function average: its standard deviation over the length of the training."""


class TrainingSpec(Spec):
    """Length and arithmetic of a training, its averaged weights, its checkpoints and its log.

    Args:
        steps: optimizer steps.
        batch: images a step, over all processes and accumulated parts together.
        accumulate: parts that a process computes its share of a step's batch in.
        ema: decay of the averaged weights, in [0, 1).
        ema_std: where given, averages with a power function of this relative width instead (Karras et al. 2024).
        ema_widths: relative widths of further power-function averages, whose snapshots are kept: any width is
            recombined from them after the training (``ema_std`` of an evaluation). EDM2 keeps 0.05 and 0.10; each
            takes the memory of a network.
        ema_every: steps between these snapshots; None for 32 of them, and always one of the last step.
        start: weights to begin with in place of the initialisation: ``run:ID`` for the averaged ones of a run, or the
            SHA-256 of stored ones.
        extends: ``run:ID`` of a shorter training of the same run, whose last state this one goes on from. The result is
            that of all steps, so the id does not change; the schedule must be constant.
        precision: of matrix products and activations; weights and averages are always float32.
        compile: compile the network (rounds differently, hence part of a run's identity).
        distribution: whether each process holds the whole network or a shard of it.
        on_divergence: "stop" ends a training that diverges, and its record says so. "rewind" was removed: a training
            refuses it; it stays readable in specs of before.
        rewind_every: had a meaning with "rewind" only; it stays for the ids of recorded runs.
        activation_checkpointing: recompute each block's activations in the backward pass.
        checkpoint_seconds: time between checkpoints.
        checkpoint_every: steps between checkpoints, beside those by time.
        keep_every: checkpoints at multiples of so many steps are never removed.
        log_every: steps a line of the log; None for about a thousand lines in all.
        sinks: where the log goes beside ``log.jsonl``, with the extra ``track``; what Weights & Biases gets stays on
            this machine where ``WANDB_MODE=offline`` is set.
    """

    steps: Positive = 400_000
    batch: Positive = 160
    accumulate: Positive = 1
    ema: Share = 0.9999
    ema_std: Width | None = None
    start: Annotated[str, Field(pattern=r"^([0-9a-f]{64}|run:[0-9a-f]{16})$")] | None = later_key(None)
    extends: Annotated[str, Field(pattern=r"^run:[0-9a-f]{16}$")] | None = later_key(None, identity=False)
    precision: Literal["float32", "tf32", "bfloat16", "float16"] = "float32"
    compile: bool = False
    distribution: Literal["replicated", "sharded"] = "replicated"
    on_divergence: Literal["stop", "rewind"] = "stop"
    rewind_every: Positive = 1_000
    activation_checkpointing: bool = Field(default=False, json_schema_extra=NOT_IDENTITY)
    checkpoint_seconds: float = Field(default=60.0, gt=0.0, json_schema_extra=NOT_IDENTITY)
    checkpoint_every: Positive | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    keep_every: Positive | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    log_every: Positive | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    sinks: tuple[Literal["tensorboard", "wandb"], ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    ema_widths: tuple[Width, ...] = later_key(())
    ema_every: Positive | None = later_key(None)

    @field_validator("ema_widths")
    @classmethod
    def _increasing(cls, widths: tuple[float, ...]) -> tuple[float, ...]:
        if any(a >= b for a, b in pairwise(widths)):
            raise ValueError("its widths must increase")
        return widths
