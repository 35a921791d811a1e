"""Arithmetic of a training: which precision products are taken in. Weights are float32 always."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@contextlib.contextmanager
def matrix_precision(precision: str) -> Iterator[None]:
    """Let float32 matrix products use TF32 or forbid it, and put back what was set."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """The context a forward pass runs in."""
    if precision in AUTOCAST:
        return torch.autocast(device.type, dtype=AUTOCAST[precision])
    return contextlib.nullcontext()


def make_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Scaling of the loss, which float16's small range needs; idle for other precisions."""
    return torch.amp.GradScaler(device.type, enabled=precision == "float16")
