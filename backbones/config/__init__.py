"""Typed configs of every family, one a file: importable without torch, so that planning never loads it.

Importing this package registers them all.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)
