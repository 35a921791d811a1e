"""Tensors as the CPU kernels read them: addresses and strides in bytes."""

from __future__ import annotations

import torch
from torch import Tensor


def stream(x: Tensor) -> Tensor:
    """Return x as the kernels read it: float32 or bfloat16, channels side by side."""
    if x.dtype not in (torch.float32, torch.bfloat16):
        x = x.float()
    return x if x.stride(-1) == 1 or x.shape[-1] <= 1 else x.contiguous()


def rows(x: Tensor | None) -> tuple[int, int, int]:
    """Return the address, batch stride and row stride of a (batch, L, channels) tensor, in bytes."""
    if x is None:
        return 0, 0, 0
    size = x.element_size()
    return x.data_ptr(), x.stride(0) * size, x.stride(1) * size


def flat(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.float().contiguous()


def address(x: Tensor | None) -> int:
    return 0 if x is None or x.numel() == 0 else x.data_ptr()
