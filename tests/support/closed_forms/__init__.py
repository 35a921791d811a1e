"""Every method against a closed form: what is known, the error that is measured, and its bound.

``PYTHONPATH=tests python -m support.closed_forms`` measures all rows and writes the table, which the guide of methods
shows; the tests hold each error to its bound.
"""

from __future__ import annotations

from zigbench.spec.description import code, table

from . import objectives, path, sampling
from .row import ROWS, ClosedForm

__all__ = ["ROWS", "ClosedForm", "measured", "objectives", "path", "sampling"]


def measured() -> str:
    """Return the table with all errors measured, in Markdown."""
    rows = ((row.kind, code(row.method), row.claim, f"{row.measure():.1e}", f"{row.bound:.1e}") for row in ROWS)
    return table(("kind", "method", "closed form", "error:", "bound:"), rows)
