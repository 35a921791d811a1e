"""Records made into one long table: a row per measurement, columns for spec and environment by their dotted paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zigbench.records import cache
from zigbench.records.cache import Damaged
from zigbench.records.record import Measurement, Record
from zigbench.spec.overrides import flatten

if TYPE_CHECKING:
    import pandas as pd

RUNS = Path("results/runs")

COLUMNS = (
    "run", "status", "metric", "value", "unit", "higher_is_better", "step", "low", "high",
    "samples", "protocol", "note", "error_kind", "error", "folder",
)  # fmt: skip
FIGURE = COLUMNS[2:12]
FLOATS = dict.fromkeys(("value", "low", "high"), "float64")


@dataclass(frozen=True)
class Collected:
    """All that lies under a results folder: the sound records, each with its folder, and the damaged ones."""

    records: tuple[tuple[Path, Record], ...]
    damaged: tuple[Damaged, ...]

    def frame(self) -> pd.DataFrame:
        """The long frame of the sound records; see :func:`frame`."""
        import numpy as np
        import pandas as pd

        if not self.records:
            return pd.DataFrame(columns=list(COLUMNS)).astype(FLOATS)
        # A run's spec and environment are spread over its rows once they are columns: in rows of their own they
        # would take gigabytes.
        facts = pd.DataFrame([_facts(folder, record) for folder, record in self.records])
        measured = [record.measurements or (None,) for _, record in self.records]
        figures = pd.DataFrame([_figure(m) for of_run in measured for m in of_run], columns=list(FIGURE))
        spread = facts.take(np.repeat(np.arange(len(facts)), [len(of_run) for of_run in measured]))
        table = pd.concat([figures, spread.reset_index(drop=True)], axis=1)
        return table[[*COLUMNS, *(name for name in facts if name not in COLUMNS)]].astype(FLOATS)


def scan(root: Path | str = RUNS, only: Iterable[str] | None = None) -> Collected:
    """Read every ``<root>/<id>/record.json``; a damaged one is listed, never dropped in silence.

    Args:
        root: results folder; one that does not exist holds nothing.
        only: ids to read; None reads all.
    """
    records, damaged = cache.read(Path(root), only)
    return Collected(tuple(records), tuple(damaged))


def frame(root: Path | str = RUNS) -> pd.DataFrame:
    """All sound records under ``root`` as one long pandas frame.

    A row is one measurement (columns ``metric``, ``value``, ``unit``, ``low``, ``high``, …) of one run
    (``run``, ``status``); a run without measurements has one row whose metric is None. The spec's columns
    carry their dotted paths (``scan.curve``), the environment's begin with ``environment.``.
    """
    return scan(root).frame()


def joined(records: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Rows of two frames in one; what is a column of one alone is empty in the other's rows."""
    import pandas as pd

    if others.empty or records.empty:
        return records if others.empty else others
    # As objects: columns that only one of them has would else be filled with NaN, and their types be lost.
    return pd.concat([records.astype(object), others.astype(object)], ignore_index=True).astype(FLOATS)


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """One row a run: its spec and environment, and one column for each metric's value."""
    if table.empty:
        return table
    per_metric = set(COLUMNS) - {"run", "status", "error_kind", "error", "folder"}
    facts = table.drop(columns=list(per_metric)).drop_duplicates("run").set_index("run")
    measured = table[table["metric"].notna()]
    # A metric may be measured at several steps; a run's own figure is the last.
    values = measured.groupby(["run", "metric"], sort=False)["value"].last().unstack("metric")
    return facts.join(values)


def _facts(folder: Path, record: Record) -> dict[str, Any]:
    """What all rows of a run share."""
    return {
        "run": record.id,
        "status": record.status,
        "error_kind": record.error.kind if record.error else None,
        "error": record.error.message if record.error else None,
        "folder": str(folder),
        **_columns(record.spec),
        **_columns(record.environment, "environment."),
    }


def _figure(measurement: Measurement | None) -> tuple[Any, ...]:
    """A row's values of :data:`FIGURE`."""
    if measurement is None:
        return (None,) * len(FIGURE)
    m = measurement
    low, high = m.interval or (None, None)
    return m.name, m.value, m.unit, m.higher_is_better, m.step, low, high, m.samples, m.protocol, m.note


def _columns(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A column for each key; lists become tuples, which can be grouped by."""
    flat = flatten(tree, prefix)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in flat.items()}
