"""Memory by kind: of a network's weights and optimizer, of one call at its peak, of the process."""

from __future__ import annotations

import contextlib
import math
import weakref
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from zigbench import host_memory

CLEAR = Path("/proc/self/clear_refs")


def nbytes(tensors: Iterable[Tensor | None]) -> int:
    """Return the bytes of tensors, each storage counted once."""
    return sum({s.data_ptr(): s.nbytes() for t in tensors if t is not None for s in [t.untyped_storage()]}.values())


def static_memory(network: nn.Module, optimizer: torch.optim.Optimizer | None) -> dict[str, int]:
    """Return the bytes of the parameters, of their present gradients, and of the optimizer's state."""
    parameters = list(network.parameters())
    return {
        "memory_parameters": nbytes(parameters),
        "memory_gradients": nbytes(parameter.grad for parameter in parameters),
        "memory_optimizer": nbytes(state_tensors(optimizer)),
    }


def state_tensors(optimizer: torch.optim.Optimizer | None) -> list[Tensor]:
    """Return the tensors of an optimizer's state."""
    if optimizer is None:
        return []
    return [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]


def forget_peak(device: torch.device) -> None:
    """Reset the peaks that a GPU's allocator remembers."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


class Allocations(TorchDispatchMode):
    """An account of the tensors that are alive while the block runs, for devices whose allocator has none.

    Memory that a kernel allocates and frees before it returns is not counted.

    Args:
        existing: tensors that exist before the block.
        limit: bytes; the operation whose result exceeds them raises MemoryError.

    Attributes:
        start, now, peak: bytes of all storages alive: at the beginning, at present, and at the maximum.
    """

    def __init__(self, existing: Iterable[Tensor | None], limit: float = math.inf) -> None:
        super().__init__()
        self.limit = limit
        self.now = self.peak = 0
        self._alive: dict[int, tuple[weakref.ref[Any], int]] = {}
        for tensor in existing:
            if tensor is not None:
                self._see(tensor)
        self.start = self.now

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._see(leaf)
        return out

    def _see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._alive:
            return
        size = storage.nbytes()
        self._alive[key] = (weakref.ref(storage, lambda _: self._forget(key)), size)
        self.now += size
        self.peak = max(self.peak, self.now)
        if self.now > self.limit:
            raise MemoryError(f"tensors take {self.now / 2**30:.3g} GiB")

    def _forget(self, key: int) -> None:
        self.now -= self._alive.pop(key)[1]


class Saved:
    """The tensors that a forward pass saves for the backward pass, each storage once.

    Args:
        without: tensors that exist anyway (weights, inputs).
    """

    def __init__(self, without: Iterable[Tensor]) -> None:
        self._known = {tensor.untyped_storage().data_ptr() for tensor in without}
        self._saved: dict[int, Tensor] = {}

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Collect while the block runs."""
        with torch.autograd.graph.saved_tensors_hooks(self._save, lambda tensor: tensor):
            yield

    @property
    def bytes(self) -> int:
        """Bytes of the saved tensors."""
        return nbytes(self._saved.values())

    def _save(self, tensor: Tensor) -> Tensor:
        where = tensor.untyped_storage().data_ptr()
        if where not in self._known:
            self._saved[where] = tensor  # A reference, so that no later storage gets the same address.
        return tensor


class ProcessMemory:
    """The peak of this process's resident memory above its memory when this object was created.

    Where the system cannot reset the peak (outside Linux), an earlier peak counts too.
    """

    def __init__(self) -> None:
        with contextlib.suppress(OSError):
            CLEAR.write_text("5", encoding="utf-8")
        self.baseline = host_memory.resident_bytes()

    @property
    def above(self) -> int:
        """Bytes so far."""
        return max(0, host_memory.peak_resident_bytes() - self.baseline)
