"""The optimizer of a network, its learning rate over time, and the clipping of gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from zigbench.spec import OptimizerSpec
from zigbench.training.parallel import full_tensors, is_sharded, local_part, shard_like

STATE_SPACE = frozenset({"A_log", "D"})
"""Names of the state space. A_log is a matrix, but of logarithms of rates: decay would pull the rates to 1."""


def decay_groups(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Split the trained parameters into those that weight decay applies to, and the others.

    Matrices are decayed. Vectors are not (norms, biases, skip weights), nor A_log and D, nor a parameter with a true
    attribute ``_no_weight_decay``.
    """
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        exempt = (
            parameter.ndim < 2
            or getattr(parameter, "_no_weight_decay", False)
            or name.rpartition(".")[2] in STATE_SPACE
        )
        (others if exempt else matrices).append(parameter)
    return matrices, others


def make_optimizer(model: nn.Module, spec: OptimizerSpec) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov & Hutter, "Decoupled weight decay regularization", 2019) over the trained parameters.

    Raises:
        ValueError: the model has no parameter to train.
    """
    matrices, others = decay_groups(model)
    if spec.weight_decay == 0:
        # Without decay the groups are equal, and each group costs one kernel call per step.
        matrices, others = [parameter for parameter in model.parameters() if parameter.requires_grad], []
    groups = [
        {"params": parameters, "weight_decay": decay}
        for parameters, decay in ((matrices, spec.weight_decay), (others, 0.0))
        if parameters
    ]
    if not groups:
        raise ValueError("the network has no parameter that requires a gradient: there is nothing to train")
    return torch.optim.AdamW(groups, lr=spec.lr, betas=spec.betas, eps=spec.eps, fused=True)


def learning_rate(spec: OptimizerSpec, step: int, steps: int) -> float:
    """Return the learning rate of a step, counted from 0, of ``steps`` in all.

    The rate rises as (step + 1) / warmup; then it stays, or falls as half a cosine that would reach ``final`` · lr at
    ``steps``.
    """
    if step < spec.warmup:
        return spec.lr * (step + 1) / spec.warmup
    if spec.schedule == "constant":
        return spec.lr
    progress = (step - spec.warmup) / max(1, steps - spec.warmup)
    return spec.lr * (spec.final + (1 - spec.final) * 0.5 * (1 + math.cos(math.pi * progress)))


def local_gradients(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """Return the gradients of ``parameters`` that have one; of sharded parameters, this process's parts."""
    gradients = [gradient for parameter in parameters if (gradient := parameter.grad) is not None]
    return list(map(local_part, gradients)) if any(map(is_sharded, gradients[:1])) else gradients


def gradient_norm(gradients: Iterable[Tensor]) -> Tensor:
    """Return the Euclidean norm of all gradients together, shape ()."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(gradients))))


def clip_gradients(gradients: list[Tensor], norm: float, limit: float) -> None:
    """Scale gradients in place so that their common norm, now ``norm``, is at most ``limit``."""
    if norm > limit:
        # As a tensor: a number would be converted for each product.
        torch._foreach_mul_(gradients, gradients[0].new_tensor(limit / norm))


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the optimizer's state with whole tensors; with a sharded network every process must call this."""
    state: dict[str, Any] = full_tensors(optimizer.state_dict())
    return state


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Restore the state that :func:`optimizer_state` returned.

    Args:
        optimizer: of the same network; sharded or not, whatever the network was when the state was saved.
        state: with whole tensors; also in the layout of checkpoints of format 1.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if "moments" in state:
        state = _from_format_1(state, optimizer.state_dict()["param_groups"])
    moments = {
        number: {
            name: value if name == "step" else shard_like(value, parameters[number]) for name, value in values.items()
        }
        for number, values in state["state"].items()
    }
    optimizer.load_state_dict({"state": moments, "param_groups": state["param_groups"]})


def _from_format_1(state: dict[str, Any], groups: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the state of a checkpoint of format 1 (one step counter, moments by number) in torch's layout."""
    return {
        "state": {
            int(number): {"step": state["count"].clone(), "exp_avg": mean, "exp_avg_sq": square}
            for number, (mean, square) in state["moments"].items()
        },
        "param_groups": groups,
    }
