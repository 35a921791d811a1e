"""AdamW, what it decays, and its rate over time."""

from __future__ import annotations

import math

from torch import nn

from zigbench.spec import OptimizerSpec
from zigbench.training.adamw import AdamW

STATE_SPACE = frozenset({"A_log", "D"})
"""The state space's own names. A_log is a matrix, but holds logarithms of rates: decay would pull them to 1."""


def decayed(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trained parameters, apart: (those that weight decay applies to, those it does not).

    Decayed are matrices. Vectors are not (norms, biases, skip weights), nor A_log and D, nor what its layer marks
    with a true attribute ``_no_weight_decay``.
    """
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        spare = (
            parameter.ndim < 2
            or getattr(parameter, "_no_weight_decay", False)
            or name.rpartition(".")[2] in STATE_SPACE
        )
        (others if spare else matrices).append(parameter)
    return matrices, others


def make_optimizer(model: nn.Module, spec: OptimizerSpec) -> AdamW:
    """AdamW over the model's trained parameters.

    Raises:
        ValueError: the model has nothing to train.
    """
    matrices, others = decayed(model)
    if spec.weight_decay == 0:
        # Without decay the groups are alike, and each costs a call a step.
        matrices, others = [p for p in model.parameters() if p.requires_grad], []
    groups = [(group, decay) for group, decay in ((matrices, spec.weight_decay), (others, 0.0)) if group]
    if not groups:
        raise ValueError("the network has no parameter that requires a gradient: there is nothing to train")
    return AdamW(groups, spec)


def rate(spec: OptimizerSpec, step: int, steps: int) -> float:
    """Learning rate of a step; ``step`` counts from 0, of ``steps``.

    Rises as (step + 1) / warmup; then stays, or falls as half a cosine that would reach ``final`` · lr at ``steps``.
    """
    if step < spec.warmup:
        return spec.lr * (step + 1) / spec.warmup
    if spec.schedule == "constant":
        return spec.lr
    progress = (step - spec.warmup) / max(1, steps - spec.warmup)
    return spec.lr * (spec.final + (1 - spec.final) * 0.5 * (1 + math.cos(math.pi * progress)))
