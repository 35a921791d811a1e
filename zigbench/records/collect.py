"""Records as one long table: a row per measurement, columns for spec and environment by their dotted paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zigbench.records.environment import machine_name
from zigbench.records.folder import RunFiles
from zigbench.records.record import Damaged, Measurement, Record
from zigbench.records.sources import Sources
from zigbench.spec.overrides import flatten

if TYPE_CHECKING:
    import pandas as pd

RUNS = Path("results/runs")

COLUMNS = (
    "run", "status", "metric", "value", "unit", "higher_is_better", "step", "low", "high",
    "samples", "protocol", "note", "error_kind", "error", "folder", "machine", "repeat",
)  # fmt: skip
FIGURE = COLUMNS[2:12]
FLOATS = dict.fromkeys(("value", "low", "high"), "float64")


@dataclass(frozen=True)
class Collected:
    """The records of some sources: the sound records, each with its run's files, and what is damaged.

    A run has several records where two machines (or one machine twice) measured it: they follow each other.
    """

    records: tuple[tuple[RunFiles, Record], ...]
    damaged: tuple[Damaged, ...]

    def frame(self) -> pd.DataFrame:
        """Return the long frame of the sound records; see :func:`frame`."""
        import numpy as np
        import pandas as pd

        if not self.records:
            return pd.DataFrame(columns=list(COLUMNS)).astype(FLOATS)
        # A run's spec and environment are repeated over its rows only as columns: as values of each row they would
        # take gigabytes.
        repeats = Counter[str]()
        rows = []
        for files, record in self.records:
            rows.append(_facts(files, record, repeats[record.id]))
            repeats[record.id] += 1
        facts = pd.DataFrame(rows)
        measured = [record.measurements or (None,) for _, record in self.records]
        figures = pd.DataFrame([_figure(m) for of_run in measured for m in of_run], columns=list(FIGURE))
        spread = facts.take(np.repeat(np.arange(len(facts)), [len(of_run) for of_run in measured]))
        table = pd.concat([figures, spread.reset_index(drop=True)], axis=1)
        return table[[*COLUMNS, *(name for name in facts if name not in COLUMNS)]].astype(FLOATS)


def scan(root: Sources | Path | str | Sequence[Path | str] = RUNS, only: Iterable[str] | None = None) -> Collected:
    """Read every record; a damaged one is listed, never dropped in silence.

    Args:
        root: folder of runs (one that does not exist holds nothing), a pack, a zip of one, a folder that holds packs,
            or several of them.
        only: ids to read; None reads all.

    Raises:
        ValueError: a file that is no zip of a pack, or a pack of a later format.
    """
    sources = Sources.of(root)
    records, damaged = sources.read(only)
    faults = dict.fromkeys((*damaged, *sources.damaged()))
    return Collected(tuple(records), tuple(faults))


def frame(root: Path | str | Sequence[Path | str] = RUNS) -> pd.DataFrame:
    """Return all sound records under ``root`` as one long pandas frame.

    A row is one measurement (columns ``metric``, ``value``, ``unit``, ``low``, ``high``, …) of one run
    (``run``, ``status``); a run without measurements has one row whose metric is None. The spec's columns
    carry their dotted paths (``scan.curve``), the environment's begin with ``environment.``. A run with several
    records has rows of each, distinguished by ``machine`` and ``repeat`` (0 for the first).
    """
    return scan(root).frame()


def joined(records: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of two frames in one; a column of one alone is empty in the other's rows."""
    import pandas as pd

    if others.empty or records.empty:
        return records if others.empty else others
    # As objects: columns of only one of them would otherwise be filled with NaN and lose their types.
    return pd.concat([records.astype(object), others.astype(object)], ignore_index=True).astype(FLOATS)


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a run: spec, environment, one column for each metric's value; of several records the first."""
    if table.empty:
        return table
    table = table[table["repeat"] == 0]
    per_metric = set(COLUMNS) - {"run", "status", "error_kind", "error", "folder", "machine", "repeat"}
    facts = table.drop(columns=list(per_metric)).drop_duplicates("run").set_index("run")
    measured = table[table["metric"].notna()]
    # A metric may be measured at several steps; the figure of the run is the last.
    values = measured.groupby(["run", "metric"], sort=False)["value"].last().unstack("metric")
    return facts.join(values)


def _facts(files: RunFiles, record: Record, repeat: int) -> dict[str, Any]:
    """Return the values that all rows of a run share."""
    return {
        "run": record.id,
        "status": record.status,
        "error_kind": record.error.kind if record.error else None,
        "error": record.error.message if record.error else None,
        "folder": str(files.path),
        "machine": machine_name(record.environment),
        "repeat": repeat,
        **_columns(record.spec),
        **_columns(record.environment, "environment."),
    }


def _figure(measurement: Measurement | None) -> tuple[Any, ...]:
    """Return a row's values of :data:`FIGURE`."""
    if measurement is None:
        return (None,) * len(FIGURE)
    m = measurement
    low, high = m.interval or (None, None)
    return m.name, m.value, m.unit, m.higher_is_better, m.step, low, high, m.samples, m.protocol, m.note


def _columns(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a column for each key; lists become tuples, which can be grouped by."""
    flat = flatten(tree, prefix)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in flat.items()}
