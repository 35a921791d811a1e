"""Diffusion backbones, plugged into zigbench by entry point."""

from __future__ import annotations

from typing import Any

from backbones.matching import matched

__all__ = ["ScanMamba", "ScanMixer", "matched"]


def __getattr__(name: str) -> Any:
    # Loaded when it is used: planning imports this package's configs and must not load torch.
    if name in ("ScanMamba", "ScanMixer"):
        from backbones import block

        return getattr(block, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
