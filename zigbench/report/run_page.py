"""A page per run: its spec, record, loss, samples and the end of its log. Written on request, without matplotlib."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from zigbench import html
from zigbench.records.record import Failure
from zigbench.report import formatting
from zigbench.report.figures.images import SampleRow, sample_rows
from zigbench.report.index import write_html
from zigbench.report.results import Results, Run, read_lines, samples, samples_along
from zigbench.report.table import Column, Entry, Table, number_entry
from zigbench.suite import Suite

WIDTH, HEIGHT = 640, 150

LOG_LINES = 12
"""Lines of the log's end that the page shows."""


@dataclass(frozen=True)
class RunPage:
    """The contents of a run's page: the contract with ``run.html.j2``."""

    suite: Suite
    run: Run
    state: str
    error: Failure | None
    measurements: Table | None
    curve: Markup
    speed: str
    samples: tuple[SampleRow, ...]
    log_end: tuple[str, ...]
    spec: str
    environment: str


def write_all(results: Results, folder: Path) -> frozenset[str]:
    """Write ``<id>.html`` for every run that has files, and return their ids."""
    folder.mkdir(exist_ok=True)
    runs = [run for run in results.runs if run.files.names()]
    for run in runs:
        title = f"{run.cell.name}: run {run.id}"
        text = html.render("zigbench.report", "run.html.j2", title=title, page=_run_page(results.suite, run))
        write_html(folder / f"{run.id}.html", text)
    return frozenset(run.id for run in runs)


def _run_page(suite: Suite, run: Run) -> RunPage:
    record = run.record
    log = read_lines(run.files.read("log.jsonl"), limit=2000)
    images = {f"step {step:,}": drawn for step, drawn in samples_along(run).items()}
    if (last := samples(run)) is not None:
        images["the finished network" if images else run.cell.name] = last
    return RunPage(
        suite=suite,
        run=run,
        state=formatting.STATUSES[run.status],
        error=record.error if record else None,
        measurements=_measurements(run) if record and record.measurements else None,
        curve=_loss_curve(log),
        speed=_format_speed(read_lines(run.files.read("telemetry.jsonl"))),
        samples=sample_rows(images),
        log_end=tuple(json.dumps(line) for line in log[-LOG_LINES:]),
        spec=json.dumps(run.cell.spec.resolved(), indent=1, ensure_ascii=False),
        environment=json.dumps(record.environment, indent=1, ensure_ascii=False) if record else "",
    )


def _measurements(run: Run) -> Table:
    assert run.record is not None
    rows = []
    for m in run.record.measurements:
        low, high = m.interval or (None, None)
        interval = ""
        if low is not None and high is not None:
            interval = f"{formatting.number(low)} to {formatting.number(high)}"
        rows.append((
            Entry(formatting.title(m.name)), number_entry(math.nan if m.value is None else m.value, 6), Entry(m.unit),
            Entry(interval), Entry("" if m.step is None else f"{m.step:,}", m.step), Entry(m.protocol or ""),
            Entry(m.note),
        ))  # fmt: skip
    columns = (
        Column("Figure"), Column("Value", True), Column("Unit"), Column(run.interval.capitalize()),
        Column("Step", True), Column("Protocol"), Column("Note"),
    )  # fmt: skip
    notes = (
        f"{run.interval.capitalize()}: as the metric's protocol defines it. Step: of the training, after which the "
        "averaged weights were measured. Protocol: the hash of everything that the figure depends on besides the "
        "weights; only figures with equal hashes are compared.",
    )
    return Table("measurements", "Measurements", columns, tuple(rows), notes)


SPEEDS = (
    ("images_per_second", 1, "images/s"),
    ("tokens_per_second", 1, "tokens/s"),
    ("matrix_peak_share", 100, "% of the device's matrix peak"),
    ("data_wait_share", 100, "% of the time waiting for data"),
    ("peak_memory_bytes", 1e-9, "GB of peak memory"),
)
"""Keys of a line of telemetry, each with the factor it is shown with, and its unit."""


def _format_speed(telemetry: Sequence[Mapping[str, Any]]) -> str:
    """Return the speed at the end of training, as a sentence; "" where there is no telemetry of it."""
    last = telemetry[-1] if telemetry else {}
    figures = [
        f"{formatting.number(factor * last[name], 3)} {unit}"
        for name, factor, unit in SPEEDS
        if isinstance(last.get(name), int | float)
    ]
    return f"At step {last['step']:,}: {', '.join(figures)}." if figures else ""


def _loss_curve(log: Sequence[Mapping[str, Any]]) -> Markup:
    """Return the loss over the steps as a small SVG line; "" without a log."""
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
    (first, start), (last, end) = pairs[0], pairs[-1]
    low, high = min(y for _, y in pairs), max(y for _, y in pairs)

    def point(step: float, loss: float) -> str:
        x = WIDTH * (step - first) / ((last - first) or 1)
        return f"{x:.1f},{HEIGHT * (1 - (loss - low) / ((high - low) or 1)):.1f}"

    caption = (
        f"Training loss from {formatting.number(start)} at step {first} to {formatting.number(end)} at step {last}"
    )
    return Markup(
        '<svg class="spark" role="img" aria-label="{caption}" viewBox="0 -4 {w} {h}">'
        '<polyline points="{points}" fill="none" stroke="var(--series-0)" stroke-width="1.6"/></svg>'
        '<p class="caption">{caption}.</p>'
    ).format(caption=caption, w=WIDTH, h=HEIGHT + 8, points=" ".join(point(*pair) for pair in pairs))
