"""The `reference` backend of the matrix-valued states: the recurrence itself, one step after another, in any precision.

Every operation is differentiable, any number of times and in forward mode too. Rows are taken by `unbind`, whose
gradient is one `stack`, so that time and memory of the backward pass are linear in L.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from backbones.ops.matrix_state.inputs import StateInputs
from backbones.ops.recompute import gradients_of

DIFFERENTIABLE = True  # `recur` carries its own gradients, in forward mode too


def available() -> str | None:
    """Return None: it runs on every machine with PyTorch."""
    return None


def state_type(x: Tensor) -> torch.dtype:
    """Return the type of the state: float64 for float64 inputs, else float32."""
    return torch.float64 if x.dtype is torch.float64 else torch.float32


def recur(inputs: StateInputs) -> Tensor:
    """Return o (batch, L, heads, V)."""
    kind = state_type(inputs.v)
    q, k, v, log_decay = (x.to(kind).unbind(1) for x in inputs[:4])
    beta: Sequence[Tensor | None] = [None] * len(v)
    if inputs.beta is not None:
        beta = inputs.beta.to(kind).unsqueeze(-1).unbind(1)
    if not v:
        return inputs.v + torch.stack([x.sum() for x in inputs.tensors if x is not None]).sum().to(inputs.v.dtype)
    batch, _, heads, values = inputs.v.shape
    state = v[0].new_zeros(batch, heads, inputs.k.shape[-1], values)
    outputs = []
    for query, key, value, decay, strength in zip(q, k, v, log_decay, beta, strict=True):
        state = state * decay.exp().unsqueeze(-1)
        key = key.unsqueeze(-1)
        if inputs.delta_rule:
            value = value - (state * key).sum(-2)
        if strength is not None:
            value = value * strength
        state = state + key * value.unsqueeze(-2)
        outputs.append((state * query.unsqueeze(-1)).sum(-2))
    return torch.stack(outputs, 1).to(inputs.v.dtype)


def saved_shape(inputs: StateInputs) -> tuple[int, ...]:
    """Return an empty shape: nothing is saved, the backward pass recomputes."""
    return (0,)


def forward(inputs: StateInputs) -> tuple[Tensor, Tensor]:
    """Run `recur` behind the interface that all backends share."""
    return recur(inputs).contiguous(), inputs.v.new_empty((0,), dtype=state_type(inputs.v))


def backward(do: Tensor, inputs: StateInputs, states: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of q, k, v, log_decay and beta."""
    return tuple(gradients_of(lambda *x: recur(StateInputs._make((*x, inputs.delta_rule))), do, inputs.tensors))
