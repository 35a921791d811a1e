"""The catalogue: which figures a suite's results allow, and why any other is not there."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from zigbench.report import formatting
from zigbench.report.figures.drawing import Drawing
from zigbench.report.figures.registry import FIGURES, FigureRequest, NoFigureError, request
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
        for data, part in {"": results}.items() if name in OF_ALL_DATA else results.parts.items():
            try:
                requests_of = FIGURES[name].requests(part)
            except NoFigureError as error:
                problems.append(f"The figure “{name}” is not drawn{f' for {data}' if data else ''}: {error}.")
            else:
                allowed |= _of_data(requests_of, data) if data else requests_of
    return allowed, tuple(problems)


def _of_data(requests: Mapping[str, FigureRequest], data: str) -> dict[str, FigureRequest]:
    """Return the requests of one data set's figures under names of their own."""
    return {f"{name}-{formatting.slug(data)}": request(_titled, of, data) for name, of in requests.items()}


def _titled(of: FigureRequest, data: str) -> Drawing:
    """Draw a figure, with the data set in its name and title."""
    drawing = of.draw()
    return replace(
        drawing,
        name=f"{drawing.name}-{formatting.slug(data)}",
        title=f"{drawing.title}, {data}",
        alternative=f"{formatting.capitalized(data)}. {drawing.alternative}",
    )


OF_ALL_DATA = frozenset({"samples", "orders", "profiles"})
"""Figures that show arms without their figures' means, or all data sets at once: one for all data sets of a suite."""


def standard_names() -> frozenset[str]:
    """Return the names of the figures that every suite that trains shows."""
    return frozenset(name for name, figure in FIGURES.items() if figure.standard)


def is_standard(name: str) -> bool:
    """Return True for a figure that every suite that trains shows, also under the name that it has on one data set."""
    return any(name == standard or name.startswith(f"{standard}-") for standard in standard_names())


def main_figure(results: Results, drawn: Collection[str]) -> str | None:
    """Return the name of the figure beside the answer: one of ``drawn``, or None where none fits.

    A suite that asks whether effects last has that figure. Else the effects come first, unless a single seed leaves
    them without intervals and the suite names figures itself.
    """
    own = [name for name in drawn if not is_standard(name)]
    if lasting := [name for name in drawn if name.partition("-")[0] == "lasting"]:
        return lasting[0]
    of_effects = [name for name in drawn if name.partition("-")[0] == "effects"]
    return of_effects[0] if of_effects and (len(results.seeds) > 1 or not own) else next(iter(own), None)
