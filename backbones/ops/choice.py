"""The choice of a backend: the named one, or the first that works on this machine, and the reasons against the others.

There are two families of operators, each with backends of its own. A backend of the selective scan is two modules (they
may be one) that offer `available() -> str | None`, and

    scan_forward(inputs, save) -> (y, state)
    scan_state_shape(batch, length, channels, states, sequences) -> shape of state when saved
    scan_backward(dy, inputs, state) -> gradients
    scan_tangent(inputs, tangents) -> tangent of y
    conv_forward(x, weight, bias, activation, order) -> y
    conv_backward(dy, x, weight, bias, activation, order) -> (dx, dweight, dbias)

The order is absent, (L,), or (sequences, steps): each sequence is then scanned by itself. A backend of the
matrix-valued states (ssd, gated linear attention, gated delta rule) is one module that offers `available` and

    forward(inputs) -> (o, states)
    saved_shape(inputs) -> shape of states
    backward(do, inputs, states) -> gradients

One that also offers `scan` and `conv`, or `recur`, differentiable by themselves (`DIFFERENTIABLE`; in forward mode too
where it has `FORWARD_MODE`), is called through them outside of a compiler. The tangent of the convolution, which is
linear in x and in the weights, is two convolutions. A backend that fails a small comparison with the reference on this
machine is not used.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType

import torch
from torch import Tensor

from backbones.ops import self_check

_log = logging.getLogger(__name__)

_HALF_AND_SINGLE = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class _Backend:
    name: str
    modules: tuple[str, ...]
    devices: tuple[str, ...]  # empty: any
    distribution: str  # the package whose version is reported
    double: bool = False  # whether float64 is computed in float64


@dataclass(frozen=True)
class _Family:
    """Operators that share their backends, the first choice first."""

    operators: str
    backends: dict[str, _Backend]
    check: Callable[[list[ModuleType], torch.device], str]


def _named(*backends: _Backend) -> dict[str, _Backend]:
    return {backend.name: backend for backend in backends}


_ROOM = "backbones.ops"
SCAN = "selective scan and causal convolution"
STATE = "ssd, gated linear attention and gated delta rule"
_FAMILIES = {
    SCAN: _Family(
        SCAN,
        _named(
            _Backend("cpu", (f"{_ROOM}.scan.cpu",), ("cpu",), "numba"),
            _Backend("triton", (f"{_ROOM}.scan.triton", f"{_ROOM}.conv.triton"), ("cuda",), "triton"),
            _Backend("mamba-ssm", (f"{_ROOM}.mamba_ssm",), ("cuda",), "mamba-ssm"),
            _Backend("reference", (f"{_ROOM}.reference",), (), "torch", double=True),
        ),
        lambda modules, device: self_check.run(modules[0], modules[-1], device),
    ),
    STATE: _Family(
        STATE,
        _named(
            _Backend("cpu", (f"{_ROOM}.matrix_state.cpu",), ("cpu",), "numba"),
            _Backend("fla", (f"{_ROOM}.matrix_state.fla",), ("cuda",), "flash-linear-attention"),
            _Backend("chunked", (f"{_ROOM}.matrix_state.chunked",), (), "torch", double=True),
            _Backend("reference", (f"{_ROOM}.matrix_state.reference",), (), "torch", double=True),
        ),
        lambda modules, device: self_check.run_states(modules[0], device),
    ),
}


@dataclass(frozen=True)
class BackendStatus:
    """The state of one backend on one kind of device: chosen, usable, or unusable with the reason."""

    name: str
    device: str
    chosen: bool
    usable: bool
    version: str  # distribution and version; empty if not installed
    reason: str  # a sentence for users


def backends(device: torch.device | str | None = None, *, family: str = SCAN) -> tuple[BackendStatus, ...]:
    """Return the status of every backend for float32 tensors on `device` (default: the accelerator, else the CPU)."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return _statuses(_indexed(torch.device(device)), list(_FAMILIES[family].backends), family)


def tried(device: torch.device | str, *, family: str = SCAN) -> tuple[BackendStatus, ...]:
    """Return the status of the backends up to the one that `auto` takes on `device`; later ones are not loaded."""
    device = _indexed(torch.device(device))
    names = list(_FAMILIES[family].backends)
    return _statuses(device, names[: names.index(_first_usable(device, family)) + 1], family)


def _indexed(device: torch.device) -> torch.device:
    """Return the device with its index ("cuda" is "cuda:0"), so that no device is checked twice."""
    if device.type == "cuda" and not torch.cuda.is_available():
        return device  # Its backends report why they cannot run there.
    return torch.empty(0, device=device).device


def _statuses(device: torch.device, names: Sequence[str], family: str) -> tuple[BackendStatus, ...]:
    chosen, table = _first_usable(device, family), _FAMILIES[family].backends
    statuses = []
    for backend in map(table.__getitem__, names):
        fault = _fault(backend.name, device, family)
        if backend.name == chosen:
            reason = f"chosen on {device.type}: the first that works, in the order {', '.join(table)}"
        else:
            reason = fault or f"works, but {chosen} comes first"
        version = _version(backend.distribution)
        status = BackendStatus(backend.name, device.type, backend.name == chosen, not fault, version, reason)
        statuses.append(status)
    return tuple(statuses)


def _version(distribution: str) -> str:
    try:
        return f"{distribution} {metadata.version(distribution)}"
    except metadata.PackageNotFoundError:
        return ""


def _interpreted() -> bool:
    """Return whether Triton's interpreter stands in for a GPU, so that its kernels take CPU tensors."""
    return os.environ.get("TRITON_INTERPRET") == "1"


@functools.cache
def _fault(name: str, device: torch.device, family: str) -> str:
    """Return the reason why `name` cannot run on `device`; empty if it can."""
    backend = _FAMILIES[family].backends[name]
    interpreted = name == "triton" and _interpreted() and device.type == "cpu"
    if backend.devices and device.type not in backend.devices and not interpreted:
        return f"runs on {' or '.join(backend.devices)}, not on {device.type}"
    modules = []
    for module in backend.modules:
        try:
            modules.append(importlib.import_module(module))
            fault = modules[-1].available()
        # Kernels are compiled at import, so any exception there is the reason why the backend cannot run.
        except Exception as error:
            fault = f"cannot be imported: {type(error).__name__}: {error}"
        if fault:
            return fault
    if name == "reference":
        return ""
    fault = _FAMILIES[family].check(modules, device)
    if fault:
        _log.warning("backend %s is not used on %s: %s", name, device, fault)
    return fault


@functools.cache
def _first_usable(device: torch.device, family: str) -> str:
    name = next(name for name in _FAMILIES[family].backends if not _fault(name, device, family))
    # A meta tensor needs no kernel. For real tensors, the reference is a normal choice only on a CPU.
    level = logging.INFO if name != "reference" or device.type in ("cpu", "meta") else logging.WARNING
    _log.log(level, "%s on %s: backend %s", family, device, name)
    return name


@functools.cache
def _resolve(name: str, device: torch.device, dtype: torch.dtype, family: str) -> _Backend:
    table = _FAMILIES[family].backends
    single = dtype in _HALF_AND_SINGLE
    if name == "auto":
        return next(b for b in table.values() if b.double) if not single else table[_first_usable(device, family)]
    if name not in table:
        raise ValueError(f"backend: {name!r}; expected one of {', '.join(map(repr, ('auto', *table)))}")
    if not single and not table[name].double:
        raise ValueError(f"backend: {name!r} computes in float32 and the inputs are {dtype}; take backend='reference'")
    if fault := _fault(name, device, family):
        raise ValueError(f"backend: {name!r} cannot be used: {fault}; take backend='auto'")
    return table[name]


def _module(name: str, like: Tensor, family: str, place: int = 0) -> ModuleType:
    return importlib.import_module(_resolve(name, like.device, like.dtype, family).modules[place])


def scan_backend(name: str, like: Tensor) -> ModuleType:
    """Return the module whose scan runs for tensors such as `like`; ValueError if the named one cannot."""
    return _module(name, like, SCAN)


def conv_backend(name: str, like: Tensor) -> ModuleType:
    """Return the module whose convolution runs for tensors such as `like`; ValueError if the named one cannot."""
    return _module(name, like, SCAN, -1)


def state_backend(name: str, like: Tensor) -> ModuleType:
    """Return the module whose recurrence runs for tensors such as `like`; ValueError if the named one cannot."""
    return _module(name, like, STATE)
