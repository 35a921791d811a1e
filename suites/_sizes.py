"""Every family at one size on the digits: the start of suites that compare families."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Widths and depths come nearest to ZigMa's 116,769 parameters on this grid (backbones.matched finds them).
_SIZES: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {
    "zigma": ("zigma", {"width": 32, "depth": 8}, {"scan.curve": "zigzag", "scan.schemes": 8}),
    "sweep-1": ("sweep", {"width": 32, "depth": 8}, {"scan.schemes": 1}),
    "sweep-2": ("sweep", {"width": 32, "depth": 6}, {"scan.schemes": 2}),
    "bidirectional": ("bidirectional", {"width": 32, "depth": 6}, {}),
    "vision-mamba": ("vision-mamba", {"width": 32, "depth": 6}, {}),
    "parallel": ("parallel", {"width": 28, "depth": 5}, {"scan.schemes": 4}),
    "dit": ("dit", {"width": 32, "depth": 6, "heads": 4, "mlp_ratio": 3.0}, {}),
    "u-vit": ("u-vit", {"width": 28, "depth": 10, "heads": 4}, {}),
    "dis": ("dis", {"width": 32, "depth": 6}, {}),
    "dim": ("dim", {"width": 40, "depth": 6}, {}),
}

SIZES: Mapping[str, Mapping[str, Any]] = {
    label: {"backbone": {"name": family, "patch": 1, "config": config}, **scan}
    for label, (family, config, scan) in _SIZES.items()
}
"""Keys of a spec by family, at equal parameter counts within 5 %."""
