"""The published figures, table by table, each with its source."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from generate.words import NONE, table
from zigbench.report.published import Figure, read


def tables() -> str:
    """A section for each published table."""
    figures = sorted(read(), key=lambda figure: figure.table)
    return "\n".join(_section(name, list(found)) for name, found in groupby(figures, key=lambda f: f.table))


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
        row[figure.metric] = f"{figure.value:g}"
    return table(
        ("data", "resolution:", "method", *(f"{metric}:" for metric in metrics)),
        ((*key, *_values(metrics, row)) for key, row in cells.items()),
    )


def _values(metrics: Iterable[str], row: dict[str, str]) -> list[str]:
    return [row.get(metric, NONE) for metric in metrics]
