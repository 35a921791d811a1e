"""The published figures, table by table, each with its source."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from generate.words import NONE, table
from zigbench.report.published.figures import REASONS, Figure, read


def tables() -> str:
    """Return a section for each published table, and before them the reasons in brackets."""
    figures = sorted(read(), key=lambda figure: figure.table)
    legend = "; ".join(f"({name}) {words}" for name, words in REASONS.items())
    opening = f"A figure with a word in brackets is laid beside no measured one: {legend}.\n\n"
    return opening + "\n".join(_section(name, list(rows)) for name, rows in groupby(figures, key=lambda f: f.table))


def _section(name: str, figures: list[Figure]) -> str:
    sources = list(dict.fromkeys(figure.source for figure in figures))
    parts = [f"## {name}"]
    for source in sources:
        parts += [f"Source: {source}.", _rows([figure for figure in figures if figure.source == source])]
    return "\n\n".join(parts) + "\n"


def _rows(figures: list[Figure]) -> str:
    metrics = list(dict.fromkeys(figure.metric for figure in figures))
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    for figure in figures:
        row = cells.setdefault((figure.dataset, figure.resolution, figure.name), {})
        row[figure.metric] = f"{figure.value:g}" + (f" ({figure.not_comparable})" if figure.not_comparable else "")
    return table(
        ("data", "resolution:", "method", *(f"{metric}:" for metric in metrics)),
        ((*key, *_values(metrics, row)) for key, row in cells.items()),
    )


def _values(metrics: Iterable[str], row: dict[str, str]) -> list[str]:
    return [row.get(metric, NONE) for metric in metrics]
