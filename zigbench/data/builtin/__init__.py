"""The built-in data sets: each module registers its torch-free configs by name as it is imported."""

from __future__ import annotations

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    if not _module.ispkg:  # `loaders` needs torch.
        importlib.import_module(f"{__name__}.{_module.name}")
