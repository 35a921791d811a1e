"""Quality of a trained network: what is measured, under which protocol, and with which figures.

Importing this package does not import torch: the catalogue of metrics and the protocols are read while planning and
comparing. What needs torch is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.protocol import Protocol, compare, difference, read_protocols

if TYPE_CHECKING:
    from zigbench.evaluation.extractors.catalogue import load_extractor
    from zigbench.evaluation.generation import Samples, generate
    from zigbench.evaluation.measure import evaluate, prepare
    from zigbench.evaluation.references import Reference

__all__ = [
    "Metric",
    "Protocol",
    "Reference",
    "Samples",
    "compare",
    "difference",
    "evaluate",
    "generate",
    "load_extractor",
    "prepare",
    "read_protocols",
]

_HOMES = {
    "Reference": "references",
    "Samples": "generation",
    "evaluate": "measure",
    "generate": "generation",
    "load_extractor": "extractors.catalogue",
    "prepare": "measure",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
