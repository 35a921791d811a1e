"""The `triton` backend of the causal convolution: how the work is split, and the launches.

Every row is read once a chunk: a program walks the steps in visiting order and keeps the last `width` rows of
its channels in registers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from backbones.ops import checks
from backbones.ops.scan import triton
from backbones.ops.scan.triton import available, contiguous, on_device, row_strides, unit_stride

__all__ = ["available", "conv_backward", "conv_forward"]

STEPS = 4
SHORTEST = 32  # steps of a chunk: below this, the rows read twice at its edges cost too much


def split(batch: int, length: int, channels: int, schedulers: int) -> tuple[int, int]:
    """Return (channels a program, steps a chunk) for so many warp schedulers: four warps each if there is work."""
    width = 256
    while width > 32 and (
        width >= 2 * channels or batch * -(-channels // width) * (length // SHORTEST) < 4 * schedulers
    ):
        width //= 2
    chunks = max(1, 4 * schedulers // (batch * -(-channels // width)))
    return width, max(SHORTEST, -(-length // (chunks * STEPS)) * STEPS)


def _grid(x: Tensor, sequences: int) -> tuple[int, int, int, int, int]:
    """Return (steps of a sequence, blocks, chunk, chunks, block) of a launch over x."""
    batch, length, channels = x.shape
    length //= sequences
    block, chunk = split(batch * sequences, length, channels, triton.warp_schedulers(x.device))
    return length, -(-channels // block), chunk, -(-length // chunk), block


def conv_forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor | None
) -> Tensor:
    """Return y (batch, L, d_inner), contiguous, in x's type; x: any row stride; weight: (d_inner, width)."""
    from backbones.ops.conv.triton_kernels import forward

    batch, length, channels = x.shape
    y = torch.empty((batch, length, channels), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    x, bias, order = unit_stride(x), contiguous(bias), contiguous(order)
    sequences = checks.sequences(order)
    steps, blocks, chunk, chunks, block = _grid(x, sequences)
    with on_device(x):
        forward[(batch * sequences * chunks * blocks,)](
            x, weight, bias, order, y, *row_strides(x), weight.stride(0), weight.stride(1),
            sequences, steps, channels, blocks, chunk, chunks,
            **_flags(weight, bias, activation, order, block),
        )  # fmt: skip
    return y


def conv_backward(
    dy: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return (dx, dweight, dbias): dx in x's type, the others float32; dbias is None without a bias."""
    from backbones.ops.conv.triton_kernels import backward

    batch, length, channels = x.shape
    dx = torch.empty((batch, length, channels), dtype=x.dtype, device=x.device)
    if dx.numel() == 0:
        dbias = None if bias is None else torch.zeros_like(bias, dtype=torch.float32)
        return dx, torch.zeros_like(weight, dtype=torch.float32), dbias
    dy, x, order = unit_stride(dy), unit_stride(x), contiguous(order)
    bias = contiguous(bias)
    sequences = checks.sequences(order)
    steps, blocks, chunk, chunks, block = _grid(x, sequences)
    sums = torch.empty(
        (batch * sequences * chunks, weight.shape[1] + 1, channels), dtype=torch.float32, device=x.device
    )
    with on_device(x):
        backward[(batch * sequences * chunks * blocks,)](
            dy, x, weight, bias, order, dx, sums, *row_strides(dy, x), weight.stride(0), weight.stride(1),
            sequences, steps, channels, blocks, chunk, chunks,
            **_flags(weight, bias, activation, order, block),
        )  # fmt: skip
    # Two separate sums: outputs of a custom op may not share their memory.
    return dx, sums[:, :-1].sum(0).t().contiguous(), None if bias is None else sums[:, -1].sum(0)


def _flags(
    weight: Tensor, bias: Tensor | None, activation: str | None, order: Tensor | None, block: int
) -> dict[str, Any]:
    return {
        "WIDTH": weight.shape[1], "BLOCK": block, "STEPS": STEPS, "SILU": activation == "silu",
        "HAS_BIAS": bias is not None, "HAS_ORDER": order is not None, **triton.LAUNCH,
    }  # fmt: skip
