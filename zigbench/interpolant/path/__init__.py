"""Paths between noise and data, a module for each family. Importing this package imports all of its modules."""

from __future__ import annotations

import importlib
import pkgutil

from zigbench.interpolant.path.base import MEMBERS, Path, path
from zigbench.spec.sections.interpolant import PATHS as TABLE

__all__ = ["MEMBERS", "PATHS", "Path", "path"]

for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{module.name}")

PATHS = tuple(name for name in TABLE if name in MEMBERS)
"""Names of the paths, in the order of the documentation."""
