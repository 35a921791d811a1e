"""The limit of a device's memory: detecting that it is reached, and the largest size that fits."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from zigbench.records.record import Measurement

GIB = 2**30


class DoesNotFitError(MemoryError):
    """A run needs more memory than its device has; a result, not a fault.

    Attributes:
        measurements: the figures that could be measured.
    """

    def __init__(self, message: str, measurements: tuple[Measurement, ...] = ()) -> None:
        super().__init__(message)
        self.measurements = measurements


def out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means that memory ran out.

    On a CPU torch raises a plain RuntimeError, and so do CUDA and Triton for memory that torch does not allocate: a
    kernel is loaded at its first call, into the memory that the tensors have left.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(w in str(error) for w in ("allocate memory", "out of memory"))


def release(device: torch.device) -> None:
    """Free the memory to which no object refers any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def attempt(work: Callable[[], object], device: torch.device) -> bool:
    """Return whether ``work`` fits into memory; its memory is freed either way.

    Raises:
        Exception: any error of ``work`` but running out of memory.
    """
    try:
        work()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        # The traceback refers to the frames, and they to the tensors.
        error.__traceback__ = None
        return False
    finally:
        release(device)
    return True


def largest_fit(fits: Callable[[int], bool], limit: int) -> int:
    """Return the largest n in [1, limit) that fits, by bisection; 0 if not even 1 fits; ``limit`` does not."""
    low, high = 0, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


@contextlib.contextmanager
def limited(device: torch.device, gib: float | None) -> Iterator[float]:
    """Limit the block to ``gib`` GiB of the device's memory, None for all of it; yield the limit in GiB.

    On a GPU the allocator enforces it. Elsewhere the yielded limit is for
    :class:`zigbench.efficiency.memory.Allocations` to enforce: the system itself would end the process, and leave no
    record.
    """
    if device.type != "cuda":
        yield min(_available(), gib or float("inf"))
        return
    total = torch.cuda.get_device_properties(device).total_memory / GIB
    if gib is None:
        yield total
        return
    torch.cuda.set_per_process_memory_fraction(min(1.0, gib / total), device)
    try:
        yield min(total, gib)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def _available() -> float:
    """Return the free memory of the host in GiB; infinite where the system does not report it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) / 2**20
    return float("inf")
