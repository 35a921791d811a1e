"""Memory by kind: what a network holds, what one call keeps and takes at its peak, what the process takes."""

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
    """Bytes of tensors, each storage once."""
    return sum({s.data_ptr(): s.nbytes() for t in tensors if t is not None for s in [t.untyped_storage()]}.values())


def held(network: nn.Module, optimizer: torch.optim.Optimizer | None) -> dict[str, int]:
    """Bytes of the parameters, of their gradients as they are now, and of the optimizer's state."""
    parameters = list(network.parameters())
    return {
        "memory_parameters": nbytes(parameters),
        "memory_gradients": nbytes(parameter.grad for parameter in parameters),
        "memory_optimizer": nbytes(state_tensors(optimizer)),
    }


def state_tensors(optimizer: torch.optim.Optimizer | None) -> list[Tensor]:
    """What an optimizer remembers between steps."""
    if optimizer is None:
        return []
    return [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]


def forget_peak(device: torch.device) -> None:
    """Let the peaks that a GPU's allocator remembers begin anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


class Allocations(TorchDispatchMode):
    """Follows the tensors that are alive while the block runs, on devices whose allocator keeps no account.

    What a kernel takes for itself alone and gives back before it returns is not seen.

    Args:
        existing: tensors that are there before.
        limit: bytes; MemoryError is raised by the operation whose result goes beyond.

    Attributes:
        start, now, peak: bytes of all storages alive: at the beginning, now, and the most at any time.
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
    """Collects what a forward pass keeps for the backward pass, each storage once.

    Args:
        without: tensors that are there anyway (weights, inputs).
    """

    def __init__(self, without: Iterable[Tensor]) -> None:
        self._known = {tensor.untyped_storage().data_ptr() for tensor in without}
        self._kept: dict[int, Tensor] = {}

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Collect while the block runs."""
        with torch.autograd.graph.saved_tensors_hooks(self._keep, lambda tensor: tensor):
            yield

    @property
    def bytes(self) -> int:
        return nbytes(self._kept.values())

    def _keep(self, tensor: Tensor) -> Tensor:
        where = tensor.untyped_storage().data_ptr()
        if where not in self._known:
            self._kept[where] = tensor  # Held, so that no later storage gets the same address.
        return tensor


class ProcessMemory:
    """The most that this process takes of the host's memory above what it had when this was made.

    Where the system can't forget an earlier peak (it is not Linux), that counts too.
    """

    def __init__(self) -> None:
        with contextlib.suppress(OSError):
            CLEAR.write_text("5")
        self.baseline = host_memory.resident_bytes()

    @property
    def above(self) -> int:
        """Bytes so far."""
        return max(0, host_memory.peak_resident_bytes() - self.baseline)
