"""Interpolants: paths between noise and data, predictions and their conversions, training times, coupling, loss."""

from __future__ import annotations

from zigbench.interpolant.coupling import COUPLINGS
from zigbench.interpolant.interpolant import Interpolant
from zigbench.interpolant.path import PATHS, Path
from zigbench.interpolant.prediction import PREDICTIONS
from zigbench.interpolant.state import PathState
from zigbench.interpolant.swap import swap
from zigbench.interpolant.time_sampling import TIMES
from zigbench.interpolant.weighting import WEIGHTINGS

__all__ = [
    "COUPLINGS",
    "PATHS",
    "PREDICTIONS",
    "TIMES",
    "WEIGHTINGS",
    "Interpolant",
    "Path",
    "PathState",
    "swap",
]
