"""A cache of the records in a folder of runs: each file is read and checked once, and again when it changes.

The cache (``.records.parquet`` in the results folder) is derived and disposable: it holds the text of every sound
record beside the times and the size that its file had. Deleting it, or copying runs in from another machine, costs
one reading of the files.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zigbench.records.folder import RunFolder
from zigbench.records.record import Damaged, DamagedRecordError, Record
from zigbench.spec.files import write_atomically

FILE = ".records.parquet"

WORTH = 200
"""Number of records from which on the cache is faster than the files."""

Stamp = tuple[int, int, int]


@dataclass
class _Row:
    stamp: Stamp
    status: str
    text: str


def read(root: Path, only: Iterable[str] | None = None) -> tuple[list[tuple[RunFolder, Record]], list[Damaged]]:
    """Return the sound records under ``root``, each with its folder, by id; and the damaged ones.

    Args:
        root: folder of runs; one that does not exist holds nothing.
        only: ids to read; None reads all.
    """
    if only is None:
        names = sorted(path.name for path in root.iterdir()) if root.exists() else []
    else:
        names = sorted(set(only))
    stamps = {name: stamp for name in names if (stamp := stamp_of(root / name / "record.json"))}
    cached = _load(root, ["run", "mtime", "ctime", "size", "status", "text"]) if len(stamps) >= WORTH else {}
    records: list[tuple[RunFolder, Record]] = []
    damaged: list[Damaged] = []
    changed = False
    for name, stamp in stamps.items():
        folder, row = RunFolder(root / name), cached.get(name)
        if row is not None and row.stamp == stamp:
            records.append((folder, Record.trusted(json.loads(row.text))))
            continue
        changed = True
        cached.pop(name, None)
        path = folder.record
        try:
            text = Record.read_text(path)
            record = Record.from_json(text, str(path))
            if record.id != name:
                raise DamagedRecordError(f"{path}: the record of run {record.id} lies in the folder of another run")
        except (DamagedRecordError, OSError) as error:
            damaged.append(Damaged(path, str(error), name, getattr(error, "state", "damaged")))
        else:
            records.append((folder, record))
            cached[name] = _Row(stamp, record.status, text)
    if changed and len(cached) >= WORTH:
        with contextlib.suppress(OSError):  # A folder that cannot be written can still be read.
            _store(root, cached)
    return records, damaged


def statuses(root: Path) -> dict[str, tuple[Stamp, str]]:
    """Return the cached status of each run, with the stamp that the record's file had."""
    return {
        name: (row.stamp, row.status) for name, row in _load(root, ["run", "mtime", "ctime", "size", "status"]).items()
    }


def stamp_of(path: Path) -> Stamp | None:
    """Return times and size of a file, which change when it does; None where there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size


def _load(root: Path, columns: list[str]) -> dict[str, _Row]:
    path = root / FILE
    if not path.exists():
        return {}
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=columns).to_pydict()
    except (OSError, pa.ArrowException, KeyError):
        return {}  # Damaged, or of another version of zigbench: it is written anew.
    texts = table.get("text", [""] * len(table["run"]))
    stamps = zip(table["mtime"], table["ctime"], table["size"], strict=True)
    rows = zip(table["run"], stamps, table["status"], texts, strict=True)
    return {run: _Row(stamp, status, text) for run, stamp, status, text in rows}


def _store(root: Path, rows: dict[str, _Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, list[Any]] = {
        "run": list(rows),
        "mtime": [row.stamp[0] for row in rows.values()],
        "ctime": [row.stamp[1] for row in rows.values()],
        "size": [row.stamp[2] for row in rows.values()],
        "status": [row.status for row in rows.values()],
        "text": [row.text for row in rows.values()],
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    write_atomically(root / FILE, sink.getvalue().to_pybytes(), durable=False)
