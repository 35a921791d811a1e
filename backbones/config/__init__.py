"""Typed configs of every family: importable without torch, so that planning never loads it."""

from __future__ import annotations

from backbones.config.base import ScanConfig, SizedConfig
from backbones.config.dit import DiTConfig
from backbones.config.scan import (
    BidirectionalConfig,
    ParallelConfig,
    SweepConfig,
    VisionMambaConfig,
    ZigMaConfig,
)

__all__ = [
    "BidirectionalConfig",
    "DiTConfig",
    "ParallelConfig",
    "ScanConfig",
    "SizedConfig",
    "SweepConfig",
    "VisionMambaConfig",
    "ZigMaConfig",
]
