"""The evaluation of a trained network: metrics, their protocols, and what they are computed from.

This package imports no torch: descriptions of metrics and protocols are read while planning and reporting. The rest is
imported from its modules, such as :func:`zigbench.evaluation.measure.evaluate`.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from zigbench.evaluation.metrics.catalogue import Metric
from zigbench.evaluation.protocol import Protocol, compare, difference, read_protocols

__all__ = ["Metric", "Protocol", "compare", "difference", "read_protocols"]

# Importable from here until version 0.2; the version after it removes each line.
_MOVED = {
    "Reference": "references",
    "Samples": "generation",
    "evaluate": "measure",
    "generate": "generation",
    "load_extractor": "extractors.catalogue",
    "prepare": "measure",
}


def __getattr__(name: str) -> Any:
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = f"{__name__}.{_MOVED[name]}"
    warnings.warn(f"import {name} from {home}; the next version removes the old place", FutureWarning, stacklevel=2)
    return getattr(importlib.import_module(home), name)
