"""Training curves of many runs in one Parquet table: a row for each line of ``log.jsonl`` and ``telemetry.jsonl``.

The columns ``run`` and ``file`` name the run and the file of a line; each further column is a key of the lines, whole
numbers as int64, others as float64. Values of other types are stored as JSON in the column ``rest``. Lines that are no
JSON object (the last one of a run that was killed) are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

FILES = ("log.jsonl", "telemetry.jsonl")
RUN, FILE, REST = "run", "file", "rest"
MAX_ROWS = 100_000_000
"""The largest number of rows of a table: a small file can claim any number."""


def encode(files: Iterable[tuple[str, str, bytes]]) -> bytes:
    """Return the table of ``files`` as the content of a Parquet file.

    Args:
        files: run, name of the file, and its content; the rows keep their order.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [pa.table({RUN: pa.array([], pa.string()), FILE: pa.array([], pa.string())})]
    tables += [_table(run, file, list(_objects(content))) for run, file, content in files]
    table = pa.concat_tables(tables, promote_options="permissive")
    floats = [field.name for field in table.schema if field.type == pa.float64()]
    sink = pa.BufferOutputStream()
    # Figures are float32 written as float64: half of their bytes are zeros, which compress when split by byte.
    pq.write_table(
        table, sink, compression="zstd", compression_level=12, use_dictionary=[RUN, FILE], use_byte_stream_split=floats
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


class Curves:
    """The lines of many runs, read from what :func:`encode` wrote.

    Raises:
        ValueError: the content is no such table.
    """

    def __init__(self, content: bytes) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            file = pq.ParquetFile(pa.BufferReader(content))
            types = {field.name: field.type for field in file.schema_arrow}
            plain = {pa.string(), pa.int64(), pa.float64(), pa.null()}
            if not {RUN, FILE} <= types.keys() or not set(types.values()) <= plain:
                raise ValueError("it is no table of curves")
            if file.metadata.num_rows > MAX_ROWS:
                raise ValueError(f"it has {file.metadata.num_rows:,} rows; at most {MAX_ROWS:,} are read")
            self._columns: dict[str, list[Any]] = file.read().to_pydict()
        except (OSError, pa.ArrowException) as error:
            raise ValueError(str(error)) from None
        self._rows: dict[tuple[str, str], list[int]] = {}
        for row, key in enumerate(zip(self._columns.pop(RUN), self._columns.pop(FILE), strict=True)):
            self._rows.setdefault(key, []).append(row)

    def files(self, run: str) -> tuple[str, ...]:
        """Return the names of the files that a run has lines of."""
        return tuple(file for file in FILES if (run, file) in self._rows)

    def read(self, run: str, file: str) -> bytes | None:
        """Return a file's content, a line of JSON per row; None where the run has no such file."""
        rows = self._rows.get((run, file))
        if rows is None:
            return None
        columns = {name: [column[row] for row in rows] for name, column in self._columns.items()}
        # Most columns are of other files: a row is read from those alone that this file has values in.
        columns = {name: column for name, column in columns.items() if any(value is not None for value in column)}
        rest = columns.pop(REST, [None] * len(rows))
        names, lines = tuple(columns), []
        for values, more in zip(
            zip(*columns.values(), strict=True) if columns else [()] * len(rows), rest, strict=True
        ):
            line = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            lines.append(json.dumps(line if more is None else {**line, **json.loads(more)}))
        return "".join(f"{line}\n" for line in lines).encode()


def _objects(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.decode(errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def _table(run: str, file: str, rows: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    columns = {RUN: pa.array([run] * len(rows), pa.string()), FILE: pa.array([file] * len(rows), pa.string())}
    rest: list[dict[str, Any]] = [{} for _ in rows]
    for name in dict.fromkeys(name for row in rows for name in row):
        kinds = set() if name in (RUN, FILE, REST) else {type(row[name]) for row in rows if name in row}
        if kinds == {float}:
            columns[name] = pa.array([row.get(name) for row in rows], pa.float64())
        elif kinds == {int} and all(abs(row.get(name, 0)) < 2**53 for row in rows):
            columns[name] = pa.array([row.get(name) for row in rows], pa.int64())
        else:
            for row, more in zip(rows, rest, strict=True):
                if name in row:
                    more[name] = row[name]
    if any(rest):
        columns[REST] = pa.array([json.dumps(more) if more else None for more in rest], pa.string())
    return pa.table(columns)
