"""The `mamba-ssm` backend: the vendor's CUDA kernels, where they are installed, behind the interface of a backend.

They take (batch, channels, L) and have no visiting order, so every call transposes, and permutes before and
after. Their own autograd is used; under a compiler the backward pass recomputes. They have no tangent: forward mode
takes the reference's, a loop over steps.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import torch
from torch import Tensor

from backbones.ops.recompute import gradients_of
from backbones.ops.reference import natural, scan_tangent, visits
from backbones.ops.scan.inputs import ScanInputs

__all__ = [
    "available",
    "conv",
    "conv_backward",
    "conv_forward",
    "scan",
    "scan_backward",
    "scan_forward",
    "scan_state_shape",
    "scan_tangent",
]

DIFFERENTIABLE = True  # `scan` and `conv` carry their own gradients
_WIDTHS = (2, 3, 4)  # what causal-conv1d was compiled for


def available() -> str | None:
    """Return None if both packages import, else the name of the missing one."""
    for package in ("mamba_ssm.ops.selective_scan_interface", "causal_conv1d"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            return f"{package.partition('.')[0]} cannot be imported ({error}); it is the optional extra 'cuda'"
    return None


def _channels_first(x: Tensor, order: Tensor | None) -> Tensor:
    return visits(x, order).transpose(1, 2).contiguous()


def _natural(y: Tensor, order: Tensor | None) -> Tensor:
    return natural(y.transpose(1, 2), order)


def scan(inputs: ScanInputs) -> Tensor:
    """Return y (batch, L, channels) by `selective_scan_fn`, differentiable."""
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, order = inputs
    if u.numel() == 0:
        return u * delta
    kernel = importlib.import_module("mamba_ssm.ops.selective_scan_interface").selective_scan_fn
    streams = [_channels_first(x, order) for x in (u, delta)]
    rates = [None if x is None else x.float() for x in (A, D, delta_bias)]
    pair = [_channels_first(x, order) for x in (B, C)]
    gate = None if z is None else _channels_first(z, order)
    y = kernel(*streams, rates[0], *pair, rates[1], gate, rates[2], delta_softplus)
    return _natural(y, order)


def conv(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor | None) -> Tensor:
    """Return y (batch, L, channels) by `causal_conv1d_fn`, differentiable; ValueError for an unsupported width."""
    if weight.shape[1] not in _WIDTHS:
        raise ValueError(f"weight: width {weight.shape[1]}; backend 'mamba-ssm' has {_WIDTHS}; take backend='auto'")
    if x.numel() == 0:
        return x * 1.0
    kernel = importlib.import_module("causal_conv1d").causal_conv1d_fn
    weight, bias = weight.to(x.dtype), None if bias is None else bias.to(x.dtype)
    return _natural(kernel(_channels_first(x, order), weight, bias, activation=activation), order)


def scan_state_shape(batch: int, length: int, channels: int, states: int, sequences: int = 1) -> tuple[int, ...]:
    """Return an empty shape: nothing is saved, the backward pass recomputes."""
    return (0,)


def scan_forward(inputs: ScanInputs, save: bool) -> tuple[Tensor, Tensor]:
    """Run `scan` behind the interface that all backends share."""
    return scan(inputs).contiguous(), inputs.u.new_empty((0,), dtype=torch.float32)


def scan_backward(dy: Tensor, inputs: ScanInputs, state: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of (u, delta, A, B, C, D, z, delta_bias)."""
    softplus, order = inputs.delta_softplus, inputs.order
    grads = gradients_of(lambda *x: scan(ScanInputs._make((*x, softplus, order))), dy, inputs.tensors)
    small = (2, 5, 7)  # A, D, delta_bias
    return tuple(g.float() if g is not None and i in small else g for i, g in enumerate(grads))


def conv_forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor | None
) -> Tensor:
    """Run `conv` behind the interface that all backends share."""
    return conv(x, weight, bias, activation, order).contiguous()


def conv_backward(
    dy: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the gradients of (x, weight, bias); the last two in float32."""
    function: Callable[..., Tensor] = conv
    dx, dweight, dbias = gradients_of(lambda *a: function(*a, activation, order), dy, (x, weight, bias))
    assert dx is not None
    assert dweight is not None
    return dx, dweight.float(), None if dbias is None else dbias.float()
