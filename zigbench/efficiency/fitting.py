"""What does not fit into a device's memory: noticing it, and the largest that does."""

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
        measurements: what is known of the run nevertheless.
    """

    def __init__(self, message: str, measurements: tuple[Measurement, ...] = ()) -> None:
        super().__init__(message)
        self.measurements = measurements


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out.

    In a plain RuntimeError torch says so on a CPU, and CUDA and Triton do of what is not torch's to allocate: a kernel
    is loaded when it is first called, into what the tensors have left.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(w in str(error) for w in ("allocate memory", "out of memory"))


def release(device: torch.device) -> None:
    """Give back what nobody refers to any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def attempt(work: Callable[[], object], device: torch.device) -> bool:
    """Whether ``work`` fits; everything that it held is given back either way.

    Raises:
        Exception: what it raises beside running out of memory.
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
    """The largest n in [1, limit) that fits, where all below it do; 0 where not even 1 fits. ``limit`` does not."""
    low, high = 0, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


@contextlib.contextmanager
def limited(device: torch.device, gib: float | None) -> Iterator[float]:
    """Let the block have so many GiB of the device's memory, and give what that is; None for all there is.

    Of a GPU's the allocator keeps the block from taking more. Elsewhere what is given is for
    :class:`zigbench.efficiency.memory.Allocations` to hold it to: the system itself would end the process, and
    leave no record.
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
    """GiB of the host's memory that are free; infinite where the system does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) / 2**20
    return float("inf")
