"""The figures that a suite may name."""

from __future__ import annotations

from generate.words import code, table
from zigbench.report.figures import catalogue


def figures() -> str:
    """Return one table: the standard figures, and those that a suite names."""
    ordered = sorted(catalogue.FIGURES.values(), key=lambda figure: not figure.standard)
    rows = [
        (code(figure.name), "every suite that trains" if figure.standard else "suites that name it", figure.summary)
        for figure in ordered
    ]
    return table(("figure", "drawn for", "what it shows"), rows)
