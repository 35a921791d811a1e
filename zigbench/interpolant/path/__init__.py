"""Paths between noise and data, by name."""

from __future__ import annotations

from zigbench.interpolant.path.base import Path
from zigbench.interpolant.path.cosine import Cosine
from zigbench.interpolant.path.gvp import GeneralisedVariancePreserving
from zigbench.interpolant.path.linear import Linear
from zigbench.interpolant.path.linear_vp import LinearVariancePreserving
from zigbench.interpolant.path.polynomial import Polynomial
from zigbench.interpolant.path.variance_exploding import VarianceExploding
from zigbench.interpolant.path.variance_preserving import SubVariancePreserving, VariancePreserving

__all__ = ["MEMBERS", "PATHS", "Path"]

MEMBERS: dict[str, type[Path]] = {
    "linear": Linear,
    "gvp": GeneralisedVariancePreserving,
    "vp": VariancePreserving,
    "ve": VarianceExploding,
    "sub-vp": SubVariancePreserving,
    "cosine": Cosine,
    "polynomial": Polynomial,
    "linear-vp": LinearVariancePreserving,
}

PATHS = tuple(MEMBERS)
"""Names of the paths."""
