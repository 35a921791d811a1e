"""A page per run: its spec, its record, its loss, its samples, the end of its log. Fast: no matplotlib."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from markupsafe import Markup

from zigbench.report import formatting, render, results
from zigbench.report.results import Results, Run
from zigbench.report.tables import STATUSES, Column, Entry, Table

WIDTH, HEIGHT = 640, 150


def write_all(found: Results, folder: Path) -> frozenset[str]:
    """Write ``<id>.html`` for every run that has a folder, and return their ids."""
    there = [run for run in found.runs if run.files.names()]
    for run in there:
        render.write(folder / f"{run.id}.html", render.page("run.html.j2", **_context(found, run)))
    return frozenset(run.id for run in there)


def _context(found: Results, run: Run) -> dict[str, Any]:
    record = run.record
    log = results.read_lines(run.files.read("log.jsonl"), limit=2000)
    samples = results.samples(run)
    return {
        "title": f"{run.cell.name}: run {run.id}",
        "suite": found.suite,
        "run": run,
        "state": STATUSES[run.status],
        "measurements": _measurements(run) if record and record.measurements else None,
        "error": record.error if record else None,
        "environment": json.dumps(record.environment, indent=1, ensure_ascii=False) if record else "",
        "spec": json.dumps(run.cell.spec.resolved(), indent=1, ensure_ascii=False),
        "curve": _curve(log),
        "speed": _speed(results.read_lines(run.files.read("telemetry.jsonl"))),
        "pictures": render.pictures({run.cell.name: samples}) if samples is not None else [],
        "tail": [json.dumps(line) for line in log[-12:]],
    }


def _measurements(run: Run) -> Table:
    assert run.record is not None
    rows = []
    for m in run.record.measurements:
        low, high = m.interval or (None, None)
        between = (
            f"{formatting.number(low)} to {formatting.number(high)}" if low is not None and high is not None else ""
        )
        value = m.value if m.value is not None else math.nan
        rows.append((
            Entry(formatting.title(m.name)), Entry(formatting.number(value, 6), m.value), Entry(m.unit), Entry(between),
            Entry("" if m.step is None else f"{m.step:,}", m.step), Entry(m.protocol or ""), Entry(m.note),
        ))  # fmt: skip
    columns = (
        Column("Figure"), Column("Value", True), Column("Unit"), Column(run.interval.capitalize()),
        Column("Step", True), Column("Protocol"), Column("Note"),
    )  # fmt: skip
    return Table("measurements", "Measurements", columns, tuple(rows))


SPEEDS = (
    ("images_per_second", 1, "images/s"),
    ("tokens_per_second", 1, "tokens/s"),
    ("matrix_peak_share", 100, "% of the device's matrix peak"),
    ("data_wait_share", 100, "% of the time waiting for data"),
    ("peak_memory_bytes", 1e-9, "GB of memory at most"),
)
"""What a line of telemetry tells, the factor it is shown with, and its unit."""


def _speed(lines: list[dict[str, Any]]) -> str:
    """How fast the training went at its end, in a sentence; "" where its telemetry does not say."""
    last = lines[-1] if lines else {}
    said = [
        f"{formatting.number(factor * last[name], 3)} {unit}"
        for name, factor, unit in SPEEDS
        if isinstance(last.get(name), int | float)
    ]
    return f"Towards its end, at step {last['step']:,}: {', '.join(said)}." if said else ""


def _curve(log: list[dict[str, Any]]) -> Markup:
    """The loss over the steps as a small SVG line; "" without a log."""
    pairs = [
        (line["step"], line["loss"])
        for line in log
        if isinstance(line.get("step"), int)
        and isinstance(line.get("loss"), int | float)
        and math.isfinite(line["loss"])
    ]
    if len(pairs) < 2:
        return Markup("")
    pairs = pairs[:: max(1, len(pairs) // 400)]
    (first, _), (last, end) = pairs[0], pairs[-1]
    low, high = min(y for _, y in pairs), max(y for _, y in pairs)

    def at(step: float, loss: float) -> str:
        x = WIDTH * (step - first) / ((last - first) or 1)
        return f"{x:.1f},{HEIGHT * (1 - (loss - low) / ((high - low) or 1)):.1f}"

    points = " ".join(at(*pair) for pair in pairs)
    start = formatting.number(pairs[0][1])
    says = f"Training loss from {start} at step {first} to {formatting.number(end)} at step {last}"
    return Markup(
        '<svg class="spark" role="img" aria-label="{says}" viewBox="0 -4 {w} {h}">'
        '<polyline points="{points}" fill="none" stroke="var(--series-0)" stroke-width="1.6"/></svg>'
        '<p class="caption">{says}.</p>'
    ).format(says=says, w=WIDTH, h=HEIGHT + 8, points=points)
