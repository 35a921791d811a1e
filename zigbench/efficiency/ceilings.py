"""What the device at hand can do at most: measured where and when the network is, and best of a few."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zigbench.efficiency.timing import Call, once, times

REPEATS, SECONDS = 5, 0.03
"""Calls that a ceiling is the best of: at least so many, and for so long."""


@dataclass(frozen=True)
class Ceilings:
    """Rates that nothing on the device exceeds by much.

    Attributes:
        copy: bytes a second, read and written, of a copy far larger than the caches.
        matmul_float32, matmul_bfloat16: operations a second of a large matrix product, float32 without TF32.
        exp: exponentials a second in float32.
    """

    copy: float
    matmul_float32: float
    matmul_bfloat16: float
    exp: float

    def matmul(self, precision: str) -> float:
        """The rate of matrix products in this precision; float16 is taken to have that of bfloat16."""
        return self.matmul_float32 if precision == "float32" else self.matmul_bfloat16


def measure_ceilings(device: torch.device) -> Ceilings:
    """Measure the ceilings; about a quarter of a second."""
    return Ceilings(
        copy=_copy(device),
        matmul_float32=matmul(device, torch.float32),
        matmul_bfloat16=matmul(device, torch.bfloat16),
        exp=_exponentials(device),
    )


def matmul(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of the product of two large random matrices."""
    side = 1024 if device.type == "cpu" else 4096 if dtype is torch.float32 else 8192
    # Random numbers: a product of zeros takes less power, and so runs at a higher clock.
    a, b = (torch.randn(side, side, device=device, generator=_generator(device, i)).to(dtype) for i in range(2))
    out = torch.empty(side, side, device=device, dtype=dtype)
    return 2 * side**3 / _best(lambda: torch.matmul(a, b, out=out), device)


def _copy(device: torch.device) -> float:
    size = 2**27 if device.type == "cpu" else 2**30
    source = torch.ones(size // 4, device=device)
    target = torch.zeros_like(source)
    return 2 * size / _best(lambda: target.copy_(source), device)


def _exponentials(device: torch.device) -> float:
    if device.type == "cuda":
        # In registers: torch's own exp reads and writes memory, which takes longer than the exponentials.
        from zigbench.efficiency.exponentials import exponentials

        count, call = exponentials(device)
        return count / _best(call, device)
    # Small enough to stay in the second-level caches, large enough to be spread over the threads.
    x = torch.linspace(-1, 0, 2**16 * torch.get_num_threads())
    out = torch.empty_like(x)
    return x.numel() / _best(lambda: torch.exp(x, out=out), device)


def _best(call: Call, device: torch.device) -> float:
    once(call, device)
    taken = times(call, device, REPEATS)
    while sum(taken) < SECONDS:
        taken += times(call, device, REPEATS)
    return min(taken)


def _generator(device: torch.device, seed: int) -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)
