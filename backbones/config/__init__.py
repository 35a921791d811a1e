"""Typed configs of every family: importable without torch, so that planning never loads it."""

from __future__ import annotations

from backbones.config.base import ScanConfig, SizedConfig
from backbones.config.dit import DiTConfig
from backbones.config.long_skip import DiMConfig, DiSConfig, UViTConfig
from backbones.config.scan import (
    BidirectionalConfig,
    ParallelConfig,
    SweepConfig,
    VisionMambaConfig,
    ZigMaConfig,
)
from backbones.config.video import ClipConfig, DiTVideoConfig, ZigMaVideoConfig

__all__ = [
    "BidirectionalConfig",
    "ClipConfig",
    "DiMConfig",
    "DiSConfig",
    "DiTConfig",
    "DiTVideoConfig",
    "ParallelConfig",
    "ScanConfig",
    "SizedConfig",
    "SweepConfig",
    "UViTConfig",
    "VisionMambaConfig",
    "ZigMaConfig",
    "ZigMaVideoConfig",
]
