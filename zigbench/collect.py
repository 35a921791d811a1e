"""Records made into one long table: a row per measurement, columns for spec and environment by their dotted paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zigbench.record import DamagedRecordError, Measurement, Record

if TYPE_CHECKING:
    import pandas as pd

RUNS = Path("results/runs")

COLUMNS = (
    "run", "status", "metric", "value", "unit", "higher_is_better", "step", "low", "high",
    "samples", "protocol", "note", "error_kind", "error", "folder",
)  # fmt: skip


@dataclass(frozen=True)
class Damaged:
    """A record that could not be used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Collected:
    """All that lies under a results folder: the sound records, each with its folder, and the damaged ones."""

    records: tuple[tuple[Path, Record], ...]
    damaged: tuple[Damaged, ...]

    def frame(self) -> pd.DataFrame:
        """The long frame of the sound records; see :func:`frame`."""
        import pandas as pd

        rows = [row for folder, record in self.records for row in _rows(folder, record)]
        table = pd.DataFrame(rows, columns=None if rows else list(COLUMNS))
        for column in ("value", "low", "high"):
            table[column] = table[column].astype("float64")
        return table


def scan(root: Path | str = RUNS, only: Iterable[str] | None = None) -> Collected:
    """Read every ``<root>/<id>/record.json``; a damaged one is listed, never dropped in silence.

    Args:
        root: results folder; one that does not exist holds nothing.
        only: ids to read; None reads all.
    """
    root = Path(root)
    if only is None:
        paths = sorted(root.glob("*/record.json"))
    else:
        paths = sorted(path for path in (root / run / "record.json" for run in only) if path.exists())
    records, damaged = [], []
    for path in paths:
        try:
            record = Record.read(path)
            if record.id != path.parent.name:
                raise DamagedRecordError(f"{path}: the record of run {record.id} lies in another run's folder")
            records.append((path.parent, record))
        except (DamagedRecordError, OSError) as error:
            damaged.append(Damaged(path, str(error)))
    return Collected(tuple(records), tuple(damaged))


def frame(root: Path | str = RUNS) -> pd.DataFrame:
    """All sound records under ``root`` as one long pandas frame.

    A row is one measurement (columns ``metric``, ``value``, ``unit``, ``low``, ``high``, …) of one run
    (``run``, ``status``); a run without measurements has one row whose metric is None. The spec's columns
    carry their dotted paths (``scan.curve``), the environment's begin with ``environment.``.
    """
    return scan(root).frame()


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


def _rows(folder: Path, record: Record) -> list[dict[str, Any]]:
    common: dict[str, Any] = {
        "error_kind": record.error.kind if record.error else None,
        "error": record.error.message if record.error else None,
        "folder": str(folder),
        **_flatten(record.spec),
        **_flatten(record.environment, "environment."),
    }
    measurements: Iterable[Measurement | None] = record.measurements or (None,)
    return [{"run": record.id, "status": record.status, **_figure(m), **common} for m in measurements]


def _figure(measurement: Measurement | None) -> dict[str, Any]:
    if measurement is None:
        return dict.fromkeys(COLUMNS[2:12])
    low, high = measurement.interval or (None, None)
    return {
        "metric": measurement.name,
        "value": measurement.value,
        "unit": measurement.unit,
        "higher_is_better": measurement.higher_is_better,
        "step": measurement.step,
        "low": low,
        "high": high,
        "samples": measurement.samples,
        "protocol": measurement.protocol,
        "note": measurement.note,
    }


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = tuple(value) if isinstance(value, list) else value
    return flat
