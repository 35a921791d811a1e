"""This package's part of ``zigbench doctor``: every kernel backend, and the reason why it is used or not."""

from __future__ import annotations

from backbones.ops import backends
from backbones.ops.choice import SCAN, STATE


def kernels() -> list[tuple[str, str, str]]:
    """Return a row for each backend: operators, backend and version; state; reason."""
    rows = []
    for family, operators in ((SCAN, "scan"), (STATE, "matrix states")):
        for backend in backends(family=family):
            state = "used" if backend.chosen else "usable" if backend.usable else "not usable"
            rows.append((f"{operators}: {backend.name} {backend.version}".strip(), state, backend.reason))
    return rows
