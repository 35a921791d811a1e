"""The figures that a suite may name."""

from __future__ import annotations

from functools import partial

from generate.words import code, summary, table
from zigbench.report.figures import catalogue
from zigbench.report.speed.series import DIALS


def figures() -> str:
    """One table: the standard figures, those a suite names, and those of speed."""
    rows = [(code(name), "every suite that trains", summary(draw)) for name, draw in catalogue.STANDARD.items()]
    for name, draw in catalogue.OPTIONAL.items():
        if isinstance(draw, partial):
            shown = f"Images a second over {DIALS[name].title.lower()}, a panel for each mode, with fitted slopes."
        else:
            shown = summary(draw)
        rows.append((code(name), "suites that name it", shown))
    rows.append(
        (code("scaling"), "suites that name it", "Every metric over the number of patches, with fitted slopes.")
    )
    return table(("figure", "drawn for", "what it shows"), rows)
