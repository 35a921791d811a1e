"""The `fla` backend of the matrix-valued states: the Triton kernels of flash-linear-attention, where it is installed.

Its functions take (batch, L, heads, …) as ours do, and carry their own gradients; under a compiler the backward pass
recomputes.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from importlib import metadata
from typing import Any

from torch import Tensor

from backbones.ops.matrix_state.inputs import StateInputs
from backbones.ops.recompute import gradients_of

DIFFERENTIABLE = True  # `recur` carries its own gradients
TOLERANCE = 5e-3
"""Largest error in the self-check: its products of float32 round their factors to TF32, which has 11 bits."""

FITTING = ((0, 4), (0, 7))
"""Versions that take these arguments: from the first on, before the second."""

_MODULES = {name: f"fla.ops.{name}" for name in ("simple_gla", "gla", "gated_delta_rule")}


def available() -> str | None:
    """Return None if the package is there, of a fitting version, and imports; else the reason and what to do."""
    install = "install the optional extra: pip install 'zigbench[fla]'"
    try:
        version = metadata.version("flash-linear-attention")
    except metadata.PackageNotFoundError:
        return f"flash-linear-attention is not installed; {install}"
    low, high = FITTING
    if not low <= tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < high:
        wanted = f">={low[0]}.{low[1]},<{high[0]}.{high[1]}"
        return f"flash-linear-attention {version} does not fit, {wanted} does; {install}"
    for module in _MODULES.values():
        try:
            importlib.import_module(module)
        except ImportError as error:
            return f"flash-linear-attention {version} cannot be imported ({error}); {install}"
    return None


def recur(inputs: StateInputs) -> Tensor:
    """Return o (batch, L, heads, V), differentiable."""
    q, k, v, log_decay, beta, delta_rule = inputs
    heads = v.shape[2]
    q, k = (x.expand(-1, -1, heads, -1) for x in (q, k))
    shared = log_decay.shape[3] == 1
    if delta_rule:
        return _kernel("gated_delta_rule")(q, k, v, g=log_decay.squeeze(3), beta=beta, scale=1.0)[0]
    if beta is not None:
        v = v * beta.unsqueeze(-1).to(v.dtype)
    if shared:
        return _kernel("simple_gla")(q, k, v, g=log_decay.squeeze(3), scale=1.0)[0]
    return _kernel("gla")(q, k, v, g=log_decay, scale=1.0)[0]


def _kernel(name: str) -> Callable[..., tuple[Tensor, Any]]:
    kernel: Callable[..., tuple[Tensor, Any]] = getattr(importlib.import_module(_MODULES[name]), f"chunk_{name}")
    return kernel


def saved_shape(inputs: StateInputs) -> tuple[int, ...]:
    """Return an empty shape: nothing is saved, the backward pass recomputes."""
    return (0,)


def forward(inputs: StateInputs) -> tuple[Tensor, Tensor]:
    """Run `recur` behind the interface that all backends share."""
    return recur(inputs).contiguous(), inputs.log_decay.new_empty((0,)).float()


def backward(do: Tensor, inputs: StateInputs, states: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of q, k, v, log_decay and beta."""
    return tuple(gradients_of(lambda *x: recur(StateInputs._make((*x, inputs.delta_rule))), do, inputs.tensors))
