"""Residual addition, RMSNorm, modulation and gate, fused where that saves time.

On a CPU without a compiler, float32 goes through the kernels of :mod:`backbones.ops.norm.cpu`. Everywhere else
the same is written op by op: a compiler fuses it, and a GPU's own RMSNorm is one kernel already. So it is where values
carry tangents, whose rules are those of the single ops.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import rms_norm

from backbones.layers import modulation
from backbones.ops import checks

_TASKS = 16
"""The least number of runs of rows in a call, so that a single sample too has work for every thread."""


def add_norm_modulate(
    x: Tensor, residual: Tensor | None, weight: Tensor, shift: Tensor, scale: Tensor, eps: float, *, keep: bool
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Compute total = x + residual, h = RMSNorm(total) · weight, m = h (1 + scale) + shift.

    Args:
        x: (B, L, width).
        residual: the same shape, or None for zeros.
        weight: (width,).
        shift, scale: (B, width).
        keep: whether h is returned too.

    Returns:
        total, h (None unless ``keep``) and m. total is at least float32; h and m have the weight's type.
    """
    if fusible(x, residual, weight, shift, scale) and shift.stride() == scale.stride():
        total, h, m = _AddNormModulate.apply(x, residual, weight, shift, scale, eps, keep)
        return x if residual is None else total, h if keep else None, m
    wide = torch.promote_types(x.dtype, torch.float32)
    total = x.to(wide) if residual is None else residual + x
    h = rms_norm(total.to(weight.dtype), weight.shape, weight, eps)
    return total, h if keep else None, modulation.modulate(h, shift, scale)


def gated(x: Tensor, gate: Tensor, branch: Tensor) -> Tensor:
    """Return x + gate · branch, with x and branch (B, L, width) and gate (B, width)."""
    if fusible(x, branch, gate) and torch.is_grad_enabled() and branch.requires_grad:
        return _Gated.apply(x, gate, branch)
    return modulation.gated(x, gate, branch)


def load(device: torch.device) -> None:
    """Load the kernels for ``device``, compiling them first where no process has before."""
    if device.type == "cpu":
        from backbones.ops.norm import cpu  # noqa: F401


def fusible(tokens: Tensor, *rest: Tensor | None) -> bool:
    """Return whether tensors go through the kernels: float32 on a CPU, outside of compilers and of forward mode."""
    given = [tokens, *(tensor for tensor in rest if tensor is not None)]
    return (
        tokens.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and not checks.in_forward_mode()
        and all(x.dtype is torch.float32 and x.stride(-1) == 1 and not isinstance(x, FakeTensor) for x in given)
        and tokens.numel() > 0
    )


class _AddNormModulate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Tensor | None,
        weight: Tensor,
        shift: Tensor,
        scale: Tensor,
        eps: float,
        keep: bool,
    ) -> tuple[Tensor | None, Tensor | None, Tensor]:
        from backbones.ops.norm import cpu as kernels

        x = x.contiguous()
        residual = None if residual is None else residual.contiguous()
        total = None if residual is None else torch.empty_like(x)
        h = torch.empty_like(x) if keep else None
        m = torch.empty_like(x)
        rate = x.new_empty(x.shape[:2])
        tensors = {kernels.X: x, kernels.RESIDUAL: residual, kernels.TOTAL: total, kernels.H: h, kernels.M: m}
        tensors |= {kernels.RATE: rate, kernels.WEIGHT: weight, kernels.SHIFT: shift, kernels.SCALE: scale}
        tensors[kernels.EPS] = torch.tensor([eps])
        _run(kernels.forward, x, shift.stride(0), tensors)
        ctx.save_for_backward(x if total is None else total, rate, weight, scale)
        ctx.added = residual is not None
        ctx.set_materialize_grads(False)
        return total, h, m

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dtotal: Tensor | None, dh: Tensor | None, dm: Tensor | None) -> tuple[Any, ...]:
        from backbones.ops.norm import cpu as kernels

        total, rate, weight, scale = ctx.saved_tensors
        dm = torch.zeros_like(total) if dm is None else dm.contiguous()
        dx = torch.empty_like(total)
        parts = _parts(total)
        sums = total.new_empty((3, total.shape[0] * parts, total.shape[2]))
        tensors = {kernels.TOTAL: total, kernels.RATE: rate, kernels.WEIGHT: weight, kernels.SCALE: scale}
        tensors |= {kernels.DTOTAL: _dense(dtotal), kernels.DH: _dense(dh), kernels.DM: dm, kernels.DX: dx}
        tensors |= {kernels.DWEIGHT: sums[0], kernels.DSCALE: sums[1], kernels.DSHIFT: sums[2]}
        _run(kernels.backward, total, scale.stride(0), tensors)
        dscale, dshift = sums[1:].unflatten(1, (-1, parts)).sum(dim=2).unbind(0)
        return dx, dx if ctx.added else None, sums[0].sum(dim=0), dshift, dscale, None, None


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, branch: Tensor) -> Tensor:
        ctx.save_for_backward(gate, branch)
        return torch.addcmul(x, gate.unsqueeze(1), branch)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        from backbones.ops.norm import cpu as kernels

        gate, branch = ctx.saved_tensors
        grad, branch = grad.contiguous(), branch.contiguous()
        dbranch = torch.empty_like(branch)
        parts = _parts(branch)
        sums = branch.new_empty((branch.shape[0], parts, branch.shape[2]))
        tensors = {kernels.GRAD: grad, kernels.BRANCH: branch, kernels.GATE: gate}
        tensors |= {kernels.DBRANCH: dbranch, kernels.DGATE: sums}
        _run(kernels.gate_backward, branch, gate.stride(0), tensors)
        return grad, sums.sum(dim=1), dbranch


def _dense(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.contiguous()


def _parts(x: Tensor) -> int:
    """Return the number of runs that one sample's rows are cut into."""
    return max(1, min(x.shape[1], _TASKS // x.shape[0]))


def _run(kernel: Any, x: Tensor, stride: int, tensors: dict[int, Tensor | None]) -> None:
    """Call a kernel of cpu_norm on tokens like ``x`` (B, L, width); absent tensors have address 0."""
    from backbones.ops.cpu.workers import run
    from backbones.ops.norm import cpu as kernels

    places = [0] * kernels.ARGUMENTS
    places[kernels.SAMPLES], places[kernels.LENGTH], places[kernels.WIDTH] = x.shape
    places[kernels.PARTS], places[kernels.STRIDE] = _parts(x), 4 * stride
    for place, tensor in tensors.items():
        places[place] = 0 if tensor is None else tensor.data_ptr()
    run(kernel, places[2:], x.shape[0] * _parts(x), x.numel())
