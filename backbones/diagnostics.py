"""This package's part of ``zigbench doctor``: every kernel backend, and the reason why it is used or not."""

from __future__ import annotations

from backbones.ops import backends


def kernels() -> list[tuple[str, str, str]]:
    """Return a row for each backend: backend and version, state, reason."""
    rows = []
    for backend in backends():
        state = "used" if backend.chosen else "usable" if backend.usable else "not usable"
        rows.append((f"{backend.name} {backend.version}".strip(), state, backend.reason))
    return rows
