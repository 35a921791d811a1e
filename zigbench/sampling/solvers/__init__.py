"""Solvers, a module for each family. Importing this package imports all of its modules, which register theirs."""

from __future__ import annotations

import importlib
import pkgutil

from zigbench.sampling.solvers.base import SOLVERS, SolverOptions, solver

__all__ = ["SOLVERS", "SolverOptions", "solver"]

for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{module.name}")
