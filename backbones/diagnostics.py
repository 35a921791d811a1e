"""What ``zigbench doctor`` shows of this package: every kernel backend, and why it is used or not."""

from __future__ import annotations

from backbones.ops import backends


def kernels() -> list[tuple[str, str, str]]:
    """Rows of (backend and version, state, why)."""
    rows = []
    for found in backends():
        state = "used" if found.chosen else "usable" if found.usable else "not usable"
        rows.append((f"{found.name} {found.version}".strip(), state, found.reason))
    return rows
