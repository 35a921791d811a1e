"""The choice of a backend: the named one, or the first that works on this machine, and the reasons against the others.

A backend is two modules (they may be one) that offer `available() -> str | None`, and

    scan_forward(inputs, save) -> (y, state)
    scan_state_shape(batch, length, channels, states, sequences) -> shape of state when saved
    scan_backward(dy, inputs, state) -> gradients
    scan_tangent(inputs, tangents) -> tangent of y
    conv_forward(x, weight, bias, activation, order) -> y
    conv_backward(dy, x, weight, bias, activation, order) -> (dx, dweight, dbias)

The order is absent, (L,), or (sequences, steps): each sequence is then scanned by itself.

One that also offers `scan` and `conv`, differentiable by themselves (`DIFFERENTIABLE`; in forward mode too where it
has `FORWARD_MODE`), is called through them outside of a compiler. The tangent of the convolution, which is linear in x
and in the weights, is two convolutions. A backend that fails a small comparison with the reference on this machine is
not used.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
from collections.abc import Sequence
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
    scan: str  # module
    conv: str  # module
    devices: tuple[str, ...]  # empty: any
    distribution: str  # the package whose version is reported


_BACKENDS = {
    b.name: b
    for b in (
        _Backend("cpu", "backbones.ops.scan.cpu", "backbones.ops.scan.cpu", ("cpu",), "numba"),
        _Backend("triton", "backbones.ops.scan.triton", "backbones.ops.conv.triton", ("cuda",), "triton"),
        _Backend("mamba-ssm", "backbones.ops.mamba_ssm", "backbones.ops.mamba_ssm", ("cuda",), "mamba-ssm"),
        _Backend("reference", "backbones.ops.reference", "backbones.ops.reference", (), "torch"),
    )
}
NAMES = ("auto", *_BACKENDS)


@dataclass(frozen=True)
class BackendStatus:
    """The state of one backend on one kind of device: chosen, usable, or unusable with the reason."""

    name: str
    device: str
    chosen: bool
    usable: bool
    version: str  # distribution and version; empty if not installed
    reason: str  # a sentence for users


def backends(device: torch.device | str | None = None) -> tuple[BackendStatus, ...]:
    """Return the status of every backend for float32 tensors on `device` (default: the accelerator, else the CPU)."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return _statuses(_indexed(torch.device(device)), list(_BACKENDS))


def tried(device: torch.device | str) -> tuple[BackendStatus, ...]:
    """Return the status of the backends up to the one that `auto` takes on `device`; later ones are not loaded."""
    device = _indexed(torch.device(device))
    names = list(_BACKENDS)
    return _statuses(device, names[: names.index(_first_usable(device)) + 1])


def _indexed(device: torch.device) -> torch.device:
    """Return the device with its index ("cuda" is "cuda:0"), so that no device is checked twice."""
    if device.type == "cuda" and not torch.cuda.is_available():
        return device  # Its backends report why they cannot run there.
    return torch.empty(0, device=device).device


def _statuses(device: torch.device, names: Sequence[str]) -> tuple[BackendStatus, ...]:
    chosen = _first_usable(device)
    statuses = []
    for backend in map(_BACKENDS.__getitem__, names):
        fault = _fault(backend.name, device)
        if backend.name == chosen:
            reason = f"chosen on {device.type}: the first that works, in the order {', '.join(_BACKENDS)}"
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
def _fault(name: str, device: torch.device) -> str:
    """Return the reason why `name` cannot run on `device`; empty if it can."""
    backend = _BACKENDS[name]
    interpreted = name == "triton" and _interpreted() and device.type == "cpu"
    if backend.devices and device.type not in backend.devices and not interpreted:
        return f"runs on {' or '.join(backend.devices)}, not on {device.type}"
    for module in (backend.scan, backend.conv):
        try:
            fault = importlib.import_module(module).available()
        # Kernels are compiled at import, so any exception there is the reason why the backend cannot run.
        except Exception as error:
            fault = f"cannot be imported: {type(error).__name__}: {error}"
        if fault:
            return fault
    if name == "reference":
        return ""
    fault = self_check.run(importlib.import_module(backend.scan), importlib.import_module(backend.conv), device)
    if fault:
        _log.warning("backend %s is not used on %s: %s", name, device, fault)
    return fault


@functools.cache
def _first_usable(device: torch.device) -> str:
    name = next(name for name in _BACKENDS if not _fault(name, device))
    # A meta tensor needs no kernel. For real tensors, the reference is a normal choice only on a CPU.
    level = logging.INFO if name != "reference" or device.type in ("cpu", "meta") else logging.WARNING
    _log.log(level, "selective scan and causal convolution on %s: backend %s", device, name)
    return name


@functools.cache
def _resolve(name: str, device: torch.device, dtype: torch.dtype) -> _Backend:
    if name == "auto":
        return _BACKENDS["reference" if dtype not in _HALF_AND_SINGLE else _first_usable(device)]
    if name not in _BACKENDS:
        raise ValueError(f"backend: {name!r}; expected one of {', '.join(map(repr, NAMES))}")
    if name != "reference" and dtype not in _HALF_AND_SINGLE:
        raise ValueError(f"backend: {name!r} computes in float32 and the inputs are {dtype}; take backend='reference'")
    if fault := _fault(name, device):
        raise ValueError(f"backend: {name!r} cannot be used: {fault}; take backend='auto'")
    return _BACKENDS[name]


def scan_backend(name: str, like: Tensor) -> ModuleType:
    """Return the module whose scan runs for tensors such as `like`; ValueError if the named one cannot."""
    return importlib.import_module(_resolve(name, like.device, like.dtype).scan)


def conv_backend(name: str, like: Tensor) -> ModuleType:
    """Return the module whose convolution runs for tensors such as `like`; ValueError if the named one cannot."""
    return importlib.import_module(_resolve(name, like.device, like.dtype).conv)
