"""Argument checks of the operators: a fault is reported before any kernel sees a pointer.

Shapes, types and devices are compared on every call. An order's values are read once per tensor, to check that it is a
permutation: checked orders are remembered by identity and version, so an order that is changed in place, or another
tensor at the same address, is checked again.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import torch
from torch import Tensor
from torch._C._functorch import maybe_current_level
from torch._subclasses import FakeTensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
WIDEST_CONV = 32

_negative_on_device: set[tuple[torch.device, torch.Size]] = set()
_checked: dict[int, tuple[weakref.ref[Tensor], int, int]] = {}


def fault(name: str, value: object, expected: str) -> ValueError:
    """Return the error that all checks raise: the argument, its value, and the allowed values."""
    if isinstance(value, Tensor):
        value = f"shape {tuple(value.shape)}, {value.dtype}, on {value.device}"
    return ValueError(f"{name}: {value}; expected {expected}")


def tensor(name: str, value: object, shape: Sequence[int | str], like: Tensor) -> None:
    """Raise ValueError unless `value` is a float tensor of `shape` (a name stands for any size) on `like`'s device."""
    wanted = "a floating-point tensor (" + ", ".join(map(str, shape)) + ")"
    if not isinstance(value, Tensor):
        raise fault(name, f"a {type(value).__name__}", wanted)
    if value.dtype not in FLOATS or value.layout is not torch.strided or value.dim() != len(shape):
        raise fault(name, value, wanted)
    for have, want in zip(value.shape, shape, strict=True):
        if not isinstance(want, str) and have != want:
            raise fault(name, value, wanted)
    if value.device != like.device:
        raise fault(name, value, f"{wanted} on {like.device}, where the first argument is")


def order_form(order: object, length: int, like: Tensor) -> None:
    """Raise ValueError for an order of a wrong shape, type or device; `order_values` checks its values."""
    wanted = f"an int64 tensor ({length},), or (sequences, steps) with {length} entries, on {like.device}"
    if not isinstance(order, Tensor):
        raise fault("order", f"a {type(order).__name__}", wanted)
    if order.dtype is not torch.int64 or order.dim() not in (1, 2) or order.device != like.device:
        raise fault("order", order, wanted)
    if order.numel() != length:
        raise fault("order", order, wanted)


def sequences(order: Tensor | None) -> int:
    """Return the number of sequences that a sample's rows are scanned in: one, or the number of the order's rows."""
    return 1 if order is None or order.dim() == 1 else order.shape[0]


def order_values(order: Tensor | None) -> None:
    """Raise ValueError for an order that is not a permutation of 0 … L-1; an order checked before costs nothing."""
    if order is None or order.is_meta:
        return
    key = id(order)
    version = -1 if order.is_inference() else order._version
    known = _checked.get(key)
    if known is not None and known[0]() is order and known[1:] == (version, order.data_ptr()) and version >= 0:
        return
    if order.is_cuda and torch.cuda.is_current_stream_capturing():
        raise ValueError(
            "order: a new visiting order inside a CUDA graph capture, where its values cannot be read; run "
            "the module once on the same tensors before capturing"
        )
    length = order.numel()
    if length:
        low, high = order.aminmax()
        proper = bool(low == 0) and bool(high == length - 1)
        if not proper or bool((torch.bincount(order.flatten(), minlength=length) != 1).any()):
            raise fault("order", order, f"every index 0 … {length - 1} exactly once")
    _checked[key] = (weakref.ref(order, lambda _: _checked.pop(key, None)), version, order.data_ptr())


def negative(A: Tensor) -> None:
    """Raise ValueError for an A with an entry that is not negative.

    On a GPU, reading values back stalls the device: there, only the first A of each shape is checked.
    """
    if A.is_meta:
        return
    key = (A.device, A.shape)
    elsewhere = A.device.type != "cpu"
    if elsewhere and (key in _negative_on_device or (A.is_cuda and torch.cuda.is_current_stream_capturing())):
        return
    if faults := int((A.detach() >= 0).sum()):
        raise not_negative(A, faults)
    if elsewhere:
        _negative_on_device.add(key)


def not_positive(name: str, x: Tensor) -> None:
    """Raise ValueError for an x with an entry above 0. On a GPU, where reading values back stalls, nothing is read."""
    if x.device.type == "cpu" and (faults := int((x.detach() > 0).sum())):
        raise ValueError(
            f"{name}, shape {tuple(x.shape)}: {faults} of {x.numel()} entries are above 0; every entry must be at most "
            "0, or the state grows without bound. Take it from logsigmoid or -softplus."
        )


def not_negative(A: Tensor, faults: int) -> ValueError:
    """Return the error for an A of which `faults` entries are zero or above."""
    return ValueError(
        f"A, shape {tuple(A.shape)}: {faults} of {A.numel()} entries are not negative; every entry must be "
        "below 0, or the state grows without bound. Parametrise it as A = -exp(A_log)."
    )


def is_abstract(x: Tensor) -> bool:
    """Return whether x stands for a tensor without data: being traced, or on the meta device."""
    return torch.compiler.is_compiling() or x.is_meta or isinstance(x, FakeTensor)


def in_transform() -> bool:
    """Return whether tensors may be wrapped by a transform of `torch.func`, so that they have no address."""
    return maybe_current_level() is not None


def in_forward_mode() -> bool:
    """Return whether values may carry tangents: within `forward_ad.dual_level` or a transform of `torch.func`."""
    return forward_ad._current_level >= 0 or in_transform()


def is_plain(x: Tensor) -> bool:
    """Return whether no tracer and no dispatch mode observes x, so that a function may skip the dispatcher."""
    return type(x) is Tensor and not is_abstract(x) and not is_in_torch_dispatch_mode()
