"""The parts of the reference that are read from the code when the documentation is built.

A page requests one with a line ``% generated: NAME``; the build puts there what the function of
that name in :data:`PARTS` returns, as Markdown.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

# Closed forms that the tests use too.
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from generate import (
    backbones,
    cli,
    curves,
    data,
    figures,
    gallery,
    methods,
    metrics,
    objectives,
    published,
    solvers,
    suites,
)

PARTS: dict[str, Callable[[], str]] = {
    "cli": cli.commands,
    "backbones": backbones.families,
    "backbones-published": backbones.published,
    "backbones-clips": backbones.clips,
    "curves": curves.images,
    "curves-3d": curves.clips,
    "data": data.sets,
    "methods": methods.methods,
    "methods-measured": methods.measured,
    "metrics": metrics.metrics,
    "objectives": objectives.sections,
    "figures": figures.figures,
    "solvers-orders": solvers.orders,
    "solvers-product": solvers.every_combination,
    "suites": suites.suites,
    "published": published.tables,
    "gallery-curves": gallery.curves,
    "gallery-measured": gallery.measured,
}

MARK = "% generated: "


def fill(text: str) -> str:
    """``text`` with every line ``% generated: NAME`` replaced by that part.

    Raises:
        KeyError: there is no such part.
    """
    lines = text.splitlines()
    filled = [PARTS[line.removeprefix(MARK)]() if line.startswith(MARK) else line for line in lines]
    return "\n".join(filled) + "\n"
