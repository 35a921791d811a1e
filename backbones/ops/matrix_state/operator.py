"""The recurrence with a matrix-valued state that ssd, gated linear attention and the gated delta rule share.

One function, a `torch.library` custom op under it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from backbones.ops import checks, choice
from backbones.ops.matrix_state import reference
from backbones.ops.matrix_state.inputs import StateInputs

_INPUTS = "Tensor q, Tensor k, Tensor v, Tensor log_decay, Tensor? beta, bool delta_rule"
"""A :class:`StateInputs` as a custom op declares it: it takes no tuples."""


def matrix_state(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    beta: Tensor | None = None,
    *,
    delta_rule: bool = False,
    backend: str = "auto",
) -> Tensor:
    """Run the recurrence of :class:`StateInputs`, its shapes already checked, in the widest type of q, k and v.

    Raises:
        ValueError: a log_decay above 0, on a CPU; an unknown or unusable backend.
    """
    kind = torch.promote_types(torch.promote_types(q.dtype, k.dtype), v.dtype)
    inputs = StateInputs(q.to(kind), k.to(kind), v.to(kind), log_decay, beta, delta_rule)
    if not inputs.v.numel() or not inputs.k.numel() or (not checks.is_abstract(v) and checks.in_forward_mode()):
        return reference.recur(inputs)
    if not checks.is_abstract(v):
        module = choice.state_backend(backend, inputs.v)
        if getattr(module, "DIFFERENTIABLE", False):
            checks.not_positive("log_decay", log_decay)
            return module.recur(inputs)
    arguments = (*inputs, backend)
    if checks.is_plain(v):
        save = torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in inputs.tensors)
        return (_Eager.apply if save else _compute)(*arguments)[0]
    return _state(*arguments)[0]


def _compute(*arguments: Any) -> tuple[Tensor, Tensor]:
    *values, backend = arguments
    inputs = StateInputs(*values)
    checks.not_positive("log_decay", inputs.log_decay)
    with torch.autocast(inputs.v.device.type, enabled=False):
        return choice.state_backend(backend, inputs.v).forward(inputs)


_state = torch.library.custom_op(
    "zigbench::matrix_state",
    _compute,
    mutates_args=(),
    schema=f"({_INPUTS}, str backend) -> (Tensor, Tensor)",
)


@_state.register_fake
def _state_fake(*arguments: Any) -> tuple[Tensor, Tensor]:
    *values, backend = arguments
    inputs = StateInputs(*values)
    shape = choice.state_backend(backend, inputs.v).saved_shape(inputs)
    kind = torch.promote_types(inputs.v.dtype, torch.float32)
    return torch.empty_like(inputs.v, memory_format=torch.contiguous_format), inputs.v.new_empty(shape, dtype=kind)


def _gradients(do: Tensor, *arguments: Any) -> list[Tensor]:
    *values, states, backend = arguments
    inputs = StateInputs(*values)
    with torch.autocast(do.device.type, enabled=False):
        grads = choice.state_backend(backend, inputs.v).backward(do, inputs, states)
    return [grad for grad in grads if grad is not None]


_state_backward = torch.library.custom_op(
    "zigbench::matrix_state_backward",
    _gradients,
    mutates_args=(),
    schema=f"(Tensor do, {_INPUTS}, Tensor states, str backend) -> Tensor[]",
)


@_state_backward.register_fake
def _state_backward_fake(do: Tensor, *arguments: Any) -> list[Tensor]:
    tensors = StateInputs(*arguments[:-2]).tensors
    return [torch.empty_like(x, memory_format=torch.contiguous_format) for x in tensors if x is not None]


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.delta_rule, ctx.backend = inputs
    ctx.save_for_backward(*tensors, output[1])
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)  # or zeros the size of the states would be made for their gradient


def _differentiate(ctx: Any, do: Tensor | None, _: Tensor) -> tuple[Any, ...]:
    *tensors, states = ctx.saved_tensors
    if do is None:
        return (None,) * (len(tensors) + 2)
    backward: Any = _gradients if checks.is_plain(do) else _state_backward
    gradients = iter(backward(do, *tensors, ctx.delta_rule, states, ctx.backend))
    return (*(None if x is None else next(gradients) for x in tensors), None, None)


_state.register_autograd(_differentiate, setup_context=_remember)


class _Eager(torch.autograd.Function):
    """The custom op without the dispatcher, which costs a small network more than its recurrences do."""

    forward = staticmethod(_compute)
    setup_context = staticmethod(_remember)
    backward = staticmethod(_differentiate)
