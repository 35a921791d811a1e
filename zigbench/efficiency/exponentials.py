"""Exponentials in a GPU's registers, for their ceiling; imported on machines with a GPU only, as it needs Triton."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl

BLOCK, ROUNDS, PROGRAMS = 1024, 4096, 64
"""Numbers a program, exponentials taken of each, and programs a multiprocessor."""


@triton.jit
def _rounds(out, rounds, BLOCK: tl.constexpr):
    x = tl.arange(0, BLOCK).to(tl.float32) * -1e-3
    for _ in range(0, rounds):
        x = tl.exp2(x)
    tl.store(out + tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), x)


def exponentials(device: torch.device) -> tuple[int, Callable[[], Any]]:
    """Return the number of exponentials that a call takes, and the call."""
    programs = PROGRAMS * torch.cuda.get_device_properties(device).multi_processor_count
    out = torch.empty(programs * BLOCK, device=device)
    return programs * BLOCK * ROUNDS, lambda: _rounds[(programs,)](out, ROUNDS, BLOCK=BLOCK)
