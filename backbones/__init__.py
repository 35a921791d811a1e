"""Diffusion backbones, plugged into zigbench by entry point."""

from __future__ import annotations

from typing import Any

__all__ = ["ScanMamba", "matched"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: planning imports this package's configs and must not load torch.
    if name == "ScanMamba":
        from backbones.block import ScanMamba

        return ScanMamba
    if name == "matched":
        from backbones.matching import matched

        return matched
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
