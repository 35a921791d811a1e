"""Published outcomes beside measured ones: the sizes at which a network ran out of memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zigbench.report import formatting
from zigbench.report.published.figures import Figure
from zigbench.report.results import Results
from zigbench.report.speed.series import PATCHES, Line, lines, swept_size
from zigbench.report.table import Column, Entry, Table

OUT_OF_MEMORY = "out_of_memory_patches"
"""Published metric: the number of patches at which a method ran out of memory."""


def outcome_table(results: Results, figures: Sequence[Figure]) -> Table | None:
    """Return what was published on the memory of an arm beside what was measured, a row for each mode.

    None where the suite sweeps no patches, or names no table with such a figure.
    """
    stated = [f for f in figures if f.table in results.suite.published and f.metric == OUT_OF_MEMORY]
    if swept_size(results) is not PATCHES or not stated:
        return None
    rows = tuple(row for figure in stated for row in _rows(results, figure))
    columns = (Column("Arm"), Column("Mode"), Column("Published"), Column("Measured here"), Column("Source"))
    notes = (
        "Published: on the device that the source names; a device with more memory holds more patches. The exponents "
        "and the crossover above are this suite's own.",
    )
    return Table("outcomes", "Published beside measured: memory", columns, rows, notes) if rows else None


def _rows(results: Results, figure: Figure) -> Iterator[tuple[Entry, ...]]:
    published = f"runs out of memory at {formatting.number(figure.value)} patches, {figure.dataset}"
    for line in lines(results, PATCHES, "fps"):
        if line.label.partition(" (")[0] == figure.method:
            measured = Entry(_measured(line, figure.value))
            yield Entry(line.label), Entry(line.mode_title), Entry(published), measured, Entry(figure.source)


def _measured(line: Line, patches: float) -> str:
    """Return whether a line's network fits at so many patches, or up to where that is known."""
    largest = line.largest()
    limit = f"; the largest that fits is {formatting.number(largest[1])}" if largest else ""
    at = next((point for point in line.points if point.x == patches), None)
    if at is not None and not at.fits:
        return f"runs out of memory at {formatting.number(patches)} patches{limit}"
    if at is not None and at.y.n:
        return f"fits at {formatting.number(patches)} patches"
    if refused := [point.x for point in line.points if not point.fits]:
        return f"runs out of memory at {formatting.number(min(refused))} patches{limit}"
    if not line.measured:
        return "not measured"
    return f"not measured at {formatting.number(patches)} patches; fits at {formatting.number(line.measured[-1].x)}"
