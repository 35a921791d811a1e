"""RMSNorm with a gate SiLU(z), fused on a CPU as the norms of :mod:`backbones.ops.norm` are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import rms_norm, silu

from backbones.ops.norm import fusible

_TASKS = 16
"""The number of runs that the rows are cut into, so that there is work for every thread."""


def gated_rms_norm(y: Tensor, z: Tensor, weight: Tensor, eps: float, *, gate_first: bool) -> Tensor:
    """Return RMSNorm(y · SiLU(z)) · weight, or RMSNorm(y) · weight · SiLU(z), over groups of features.

    Args:
        y, z: (…, groups · width).
        weight: (width,).
        eps: added to the mean square.
        gate_first: whether the gate comes before the norm, as in Mamba-2.
    """
    if fusible(y, z, weight):
        return _GatedNorm.apply(y, z, weight, eps, gate_first)
    if gate_first:
        y = y * silu(z)
    groups = y.unflatten(-1, (-1, len(weight)))
    y = rms_norm(groups, weight.shape, weight.to(y.dtype), eps).flatten(-2)
    return y if gate_first else y * silu(z)


def load(device: torch.device) -> None:
    """Load the kernels for ``device``, compiling them first where no process has before."""
    if device.type == "cpu":
        from backbones.ops.norm import cpu_gated  # noqa: F401


class _GatedNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, z: Tensor, weight: Tensor, eps: float, gate_first: bool) -> Tensor:
        from backbones.ops.norm import cpu_gated as kernels

        y, z = y.contiguous(), z.contiguous()
        out = torch.empty_like(y)
        rate = y.new_empty(y.numel() // len(weight))
        tensors = {kernels.Y: y, kernels.Z: z, kernels.S: z.sigmoid(), kernels.WEIGHT: weight, kernels.OUT: out}
        tensors |= {kernels.RATE: rate, kernels.EPS: torch.tensor([eps])}
        _run(kernels.forward, rate, gate_first, tensors)
        ctx.save_for_backward(y, z, weight, rate)
        ctx.gate_first = gate_first
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dout: Tensor) -> tuple[Any, ...]:
        from backbones.ops.norm import cpu_gated as kernels

        y, z, weight, rate = ctx.saved_tensors
        dout = dout.contiguous()
        dy, dz = torch.empty_like(y), torch.empty_like(z)
        sums = y.new_empty(min(len(rate), _TASKS), len(weight))
        tensors = {kernels.Y: y, kernels.Z: z, kernels.S: z.sigmoid(), kernels.WEIGHT: weight, kernels.RATE: rate}
        tensors |= {kernels.DOUT: dout, kernels.DY: dy, kernels.DZ: dz, kernels.DWEIGHT: sums}
        _run(kernels.backward, rate, ctx.gate_first, tensors)
        return dy, dz, sums.sum(dim=0), None, None


def _run(kernel: Any, rate: Tensor, gate_first: bool, tensors: dict[int, Tensor]) -> None:
    """Call a kernel on so many rows as there are rates."""
    from backbones.ops.cpu.workers import run
    from backbones.ops.norm import cpu_gated as kernels

    places = [0] * kernels.ARGUMENTS
    weight = tensors[kernels.WEIGHT]
    places[kernels.ROWS], places[kernels.WIDTH], places[kernels.GATE_FIRST] = len(rate), len(weight), int(gate_first)
    for place, tensor in tensors.items():
        places[place] = tensor.data_ptr()
    run(kernel, places[2:], min(len(rate), _TASKS), len(rate) * len(weight))
