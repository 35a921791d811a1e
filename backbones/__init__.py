"""Diffusion backbones, plugged into zigbench by entry point."""

from __future__ import annotations

from typing import Any

from backbones.matching import matched

__all__ = ["ScanMamba", "matched"]


def __getattr__(name: str) -> Any:
    # Loaded when it is used: planning imports this package's configs and must not load torch.
    if name == "ScanMamba":
        from backbones.block import ScanMamba

        return ScanMamba
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
