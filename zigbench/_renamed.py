"""Old spellings of public modules: each is imported from its new place for one version, with a warning.

``RENAMED`` is the whole list. A line is deleted with the first version after the one that its comment names.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

# Renamed in 0.2.
RENAMED = {
    "zigbench.collect": "zigbench.records.collect",
    "zigbench.registry": "zigbench.spec.registry",
    "zigbench.record": "zigbench.records.record",
    "zigbench.folder": "zigbench.records.folder",
    "zigbench.settings": "zigbench.spec.overrides",
    "zigbench.rng": "zigbench.spec.rng",
    "zigbench.run": "zigbench.runs.execute",
    "zigbench.weights": "zigbench.runs.weights",
}


class _Renamed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """An importer of the modules that have another name today."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in RENAMED:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=RENAMED[fullname])

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        warnings.warn(
            f"{old} is now {RENAMED[old]}; the next version removes the old name", FutureWarning, stacklevel=2
        )
        # The import system takes what lies here when this function returns: the module itself, not a copy.
        sys.modules[old] = importlib.import_module(RENAMED[old])


def install() -> None:
    """Let the old names be imported, after everything that exists under a name of its own."""
    if not any(isinstance(finder, _Renamed) for finder in sys.meta_path):
        sys.meta_path.append(_Renamed())
