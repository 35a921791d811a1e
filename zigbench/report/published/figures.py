"""Published figures with their sources: the columns of ``results/published.csv``, read and checked."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zigbench.report.family import JOIN

_CHECKOUT = Path(__file__).resolve().parents[3] / "results/published.csv"
PUBLISHED = _CHECKOUT if _CHECKOUT.exists() else Path("results/published.csv")
COLUMNS = ("table", "source", "dataset", "resolution", "method", "metric", "value", "setting", "not_comparable")
OPTIONAL = ("setting", "not_comparable")

REASONS: Mapping[str, str] = {
    "method": "no suite trains this method",
    "metric": "no suite on this question measures this",
    "data": "no suite has these data",
    "average": "an average over settings that no run has",
    "outcome": "an outcome of runs, not a figure: a table of its own lays it beside the runs that do not fit",
}
"""Reasons for which a published figure is laid beside no measured one."""


@dataclass(frozen=True)
class Figure:
    """One published figure and its source.

    ``setting`` is ``key=value;key=value`` or ""; ``not_comparable`` one of :data:`REASONS` or "".
    """

    table: str
    source: str
    dataset: str
    resolution: str
    method: str
    metric: str
    value: float
    setting: str
    not_comparable: str = ""

    @property
    def name(self) -> str:
        """Method and setting, which together are unique within a table, data set and metric."""
        return f"{self.method} ({self.setting.replace(';', ', ')})" if self.setting else self.method

    def arms(self) -> frozenset[str]:
        """Return the labels of arms that this figure is of: the method, or it with its resolution or setting."""
        values = [part.partition("=")[2] for part in self.setting.split(";") if part]
        labels = ([self.method], [self.name], [self.method, self.resolution], [self.method, *values])
        return frozenset(map(JOIN.join, (*labels, [*values, self.method])))


def read(path: Path = PUBLISHED) -> tuple[Figure, ...]:
    """Read and check a table of published figures.

    Raises:
        ValueError: lists every row that is wrong: a missing source or value, a value that is no number, one figure
            stated twice with different values, a reason that is none of :data:`REASONS`.
        OSError: the file can't be read.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) not in (COLUMNS, COLUMNS[:-1]):  # A file of one's own may know no reasons.
            raise ValueError(f"{path}: its columns are {reader.fieldnames}; expected {list(COLUMNS)}")
        faults: list[str] = []
        figures: list[Figure] = []
        seen: dict[tuple[str, ...], int] = {}
        for line, row in enumerate(reader, start=2):
            problems = [f"{key} is empty" for key in COLUMNS if key not in OPTIONAL and not (row[key] or "").strip()]
            problems += ["it has more columns than the header"] if None in row else []
            try:
                value = float(row["value"] or "nan")
            except ValueError:
                value = math.nan
            if not math.isfinite(value) and row["value"]:
                problems.append(f"value {row['value']!r} is not a finite number")
            if any("=" not in part for part in (row["setting"] or "").split(";") if part):
                problems.append(f"setting {row['setting']!r} is not key=value;key=value")
            if (reason := row.get("not_comparable")) and reason not in REASONS:
                problems.append(f"not_comparable {reason!r} is none of {', '.join(REASONS)}")
            identity = tuple(row[key] or "" for key in COLUMNS[:-1] if key not in ("value", "source"))
            if identity in seen:
                problems.append(f"states the same figure as line {seen[identity]}")
            seen.setdefault(identity, line)
            faults += [f"line {line}: {problem}" for problem in problems]
            if not problems:
                words = {key: str(row.get(key) or "") for key in COLUMNS if key != "value"}
                figures.append(Figure(**words, value=value))
    if faults:
        raise ValueError(f"{path}: " + "; ".join(faults))
    return tuple(figures)


def by_column(figures: Iterable[Figure]) -> dict[tuple[str, str, str, str, str], list[Figure]]:
    """Return figures by their table, source, data set, resolution and metric."""
    columns: dict[tuple[str, str, str, str, str], list[Figure]] = {}
    for figure in figures:
        key = (figure.table, figure.source, figure.dataset, figure.resolution, figure.metric)
        columns.setdefault(key, []).append(figure)
    return columns
