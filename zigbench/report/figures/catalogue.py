"""The catalogue: which figures a suite's results allow, and why any other is not there."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection
from pathlib import Path

from zigbench.report.figures.registry import FIGURES, FigureRequest, NoFigureError
from zigbench.report.results import Results
from zigbench.report.speed import figures as speed_figures  # noqa: F401

# Every module of this folder registers its figures as it is imported; a page shows the standard ones in this order.
for _module in pkgutil.iter_modules([str(Path(__file__).parent)]):
    importlib.import_module(f"zigbench.report.figures.{_module.name}")


def requests(results: Results) -> tuple[dict[str, FigureRequest], tuple[str, ...]]:
    """Return the standard figures and those the suite names, and a sentence on each that is not drawn."""
    allowed: dict[str, FigureRequest] = {}
    problems = []
    # Without training there are no curves and samples; and speeds at several sizes have no common effect to show.
    timed = bool(results.runs) and all(run.cell.spec.task == "efficiency" for run in results.runs)
    standard = [] if timed else [name for name, figure in FIGURES.items() if figure.standard]
    for name in dict.fromkeys([*standard, *results.suite.figures]):
        if name not in FIGURES:
            problems.append(f"The suite names the figure “{name}”, which is unknown (known: {', '.join(FIGURES)}).")
            continue
        try:
            allowed |= FIGURES[name].requests(results)
        except NoFigureError as error:
            problems.append(f"The figure “{name}” is not drawn: {error}.")
    return allowed, tuple(problems)


def standard_names() -> frozenset[str]:
    """Return the names of the figures that every suite that trains shows."""
    return frozenset(name for name, figure in FIGURES.items() if figure.standard)


def main_figure(results: Results, drawn: Collection[str]) -> str | None:
    """Return the name of the figure beside the answer: one of ``drawn``, or None where none fits.

    The effects come first, unless a single seed leaves them without intervals and the suite names figures itself.
    """
    own = [name for name in drawn if name not in standard_names()]
    return "effects" if "effects" in drawn and (len(results.seeds) > 1 or not own) else next(iter(own), None)
