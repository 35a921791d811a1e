"""Which backend runs: by name, or by device and by what works on this machine."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch
from torch import Tensor

_MODULES = {
    "reference": ("backbones.ops.reference", "backbones.ops.reference"),
    "cpu": ("backbones.ops.cpu", "backbones.ops.cpu"),
}
NAMES = (*_MODULES, "auto")


def scan_backend(name: str, like: Tensor) -> ModuleType:
    name = (
        ("cpu" if like.device.type == "cpu" and like.dtype.itemsize <= 4 else "reference") if name == "auto" else name
    )
    return importlib.import_module(_MODULES[name][0])


def conv_backend(name: str, like: Tensor) -> ModuleType:
    name = (
        ("cpu" if like.device.type == "cpu" and like.dtype.itemsize <= 4 else "reference") if name == "auto" else name
    )
    return importlib.import_module(_MODULES[name][1])


def plain(name: str, like: Tensor) -> bool:
    """Whether the reference runs as ordinary operations, differentiable at will, instead of as a custom op.

    Not under a compiler, which would unroll its loop over steps.
    """
    return not torch.compiler.is_compiling() and scan_backend(name, like).__name__.endswith("reference")
