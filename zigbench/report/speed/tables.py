"""The tables of a suite of speed: every cell, exponents, and where the scan is faster than attention."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zigbench.report import formatting
from zigbench.report.formatting import STATUSES
from zigbench.report.results import Results, Run
from zigbench.report.speed.comparison import comparisons, peak_memory
from zigbench.report.speed.series import DOUBTS, MAX_SPREAD, Line, SpeedPoint, SweptSize, lines, swept_size
from zigbench.report.statistics import Estimate, PowerLaw, mean_interval, power_law
from zigbench.report.table import Column, Entry, Table, finite

TIMES, WORK = ("latency", "kernel_load", "first_call", "compile_time"), ("parameters", "roofline_share")
"""Measurements shown beside speed and memory, where any run has them."""

LARGEST = 3
"""Sizes that the exponent at the end of a line is fitted to: the fewest with an interval."""


def speed_tables(results: Results) -> list[Table]:
    """Return the tables that the results allow; none where the suite names no figure of speed."""
    size = swept_size(results)
    if size is None:
        return []
    tables = (crossover_table(results), exponent_table(results, size), cell_table(results, size))
    return [table for table in tables if table is not None]


def crossover_table(results: Results) -> Table | None:
    """Return where each scan is faster than each attention; None where there are not both."""
    rows = [
        (
            Entry(c.mode_title),
            Entry(c.scan),
            Entry(c.attention),
            Entry(c.verdict, c.crossover if c.crossover is not None else 0.0 if c.always_faster else None),
            Entry(f"{c.speed_ratio:.2f}× at {formatting.number(c.sizes[1])}", c.speed_ratio),
            Entry(
                f"{c.memory_ratio:.2f}×" if math.isfinite(c.memory_ratio) else formatting.NONE, finite(c.memory_ratio)
            ),
            Entry("the attention does not fit where the scan does" if c.only_scan_fits else ""),
        )
        for c in comparisons(results)
    ]
    if not rows:
        return None
    columns = (
        Column("Mode"), Column("Scan"), Column("Attention"), Column("Scan is faster"),
        Column("Speed, scan over attention", True), Column("Peak memory, scan over attention", True), Column("Remark"),
    )  # fmt: skip
    notes = (
        "Scan is faster: the sizes from which the network that scans has the greater speed. Speed and memory: the "
        "ratios at the largest size that both were measured at.",
        "Between two measured sizes the ratio of the speeds is taken to be a power of the patches. Only lines measured "
        "on one device, in one precision, compiled alike, are compared.",
    )
    return Table("crossover", "Where the scan overtakes attention", columns, tuple(rows), notes)


def exponent_table(results: Results, size: SweptSize) -> Table | None:
    """Return the exponents of speed and peak memory over the size, a row a line; None without two sizes."""
    peak = peak_memory(results)
    titles = {metric: title for metric, title in (("fps", "FPS"), (peak, "Peak memory")) if metric}
    metrics = [metric for metric in titles if len(results.rows(metric))]
    by_line: dict[tuple[str, str], dict[str, Line]] = {}
    for metric in metrics:
        for line in lines(results, size, metric):
            by_line.setdefault((line.mode_title, line.label), {})[metric] = line
    rows = []
    for (mode, label), of_line in by_line.items():
        laws = [_fit(of_line.get(metric), largest) for metric in metrics for largest in (None, LARGEST)]
        if any(law is not None for law in laws):
            rows.append((Entry(mode), Entry(label), *map(_exponent_entry, laws)))
    if not rows:
        return None
    headings = [f"{titles[m]}: {part}" for m in metrics for part in ("exponent", f"largest {LARGEST} sizes")]
    columns = (Column("Mode"), Column("Line"), *(Column(heading, True) for heading in headings))
    note = f"Exponent of the power law over {size.title.lower()}, ± half of its 95 % interval. Speed: {size.law}."
    return Table("slopes", f"Speed and memory over {size.title.lower()}: exponents", columns, tuple(rows), (note,))


def _fit(line: Line | None, largest: int | None) -> PowerLaw | None:
    """Fit a whole line, or its ``largest`` sizes where it has more than those; None where there is nothing to fit."""
    points = line.measured if line is not None else ()
    sizes = sorted({point.x for point in points})
    if len(sizes) < 2 or (largest is not None and len(sizes) <= largest):
        return None
    if largest is not None:
        points = tuple(point for point in points if point.x in sizes[-largest:])
    try:
        return power_law([point.x for point in points], [point.y.mean for point in points])
    except ValueError:
        return None


def _exponent_entry(law: PowerLaw | None) -> Entry:
    if law is None:
        return Entry(formatting.NONE)
    estimate = Estimate(law.exponent, law.low, law.high, 0) if math.isfinite(law.low) else None
    return Entry(formatting.exponent(law), law.exponent, estimate=estimate)


def cell_table(results: Results, size: SweptSize) -> Table:
    """Return every cell: its speed and the spread of that, its memory, and the conditions of both."""
    series = lines(results, size, "fps")
    metrics = [m for m in (*TIMES, peak_memory(results), *WORK) if m and len(results.rows(m))]
    names = list(dict.fromkeys(name for line in series for name in line.conditions))
    columns = (
        Column("Mode"), Column("Line"), Column(size.title, True), Column("FPS (images/s)", True),
        Column("Spread of rounds", True), Column("5 % to 95 %", True, "of the raw samples of all rounds"),
        *(Column(_heading(metric, results), True) for metric in metrics),
        *(Column(name.capitalize()) for name in names), Column("State"),
    )  # fmt: skip
    speeds = results.rows("fps")
    samples = dict(zip(map(str, speeds["run"]), speeds["samples"], strict=True))
    values = {metric: results.values(metric) for metric in metrics}
    rows = []
    for line in series:
        for point, runs in zip(line.points, line.runs, strict=True):
            means = [mean_interval(values[m].loc[r.arm, r.seed] for r in runs).mean for m in metrics]
            rows.append((
                Entry(line.mode_title), Entry(line.label), Entry(formatting.number(point.x), point.x),
                _speed_entry(point, runs), _spread_entry(point),
                _range_entry([value for run in runs for value in samples.get(run.id, ())]),
                *(_metric_entry(metric, mean) for metric, mean in zip(metrics, means, strict=True)),
                *(Entry(line.conditions.get(name, formatting.NONE)) for name in names), _state_entry(point, runs),
            ))  # fmt: skip
    notes = [
        "Spread of rounds: the share by which the fastest exceeds the slowest. Peak memory: the most that was in use "
        "at a time. The last columns before the state: what a speed depends on besides the line and the size.",
        "FPS: mean over rounds of each round's median, and in brackets the range of the rounds. The state gives the "
        f"reasons to doubt a cell: {DOUBTS}.",
    ]
    for line in series:
        if limit := line.largest():
            noun, value = limit
            where = f"{line.label}, {line.mode_title.lower()}"
            notes.append(f"{where}: the largest {noun} that fits is {formatting.number(value)}.")
    return Table("cells", "Every cell", columns, tuple(rows), tuple(notes))


def _heading(metric: str, results: Results) -> str:
    if metric == peak_memory(results):
        return "Peak memory (MiB)"
    unit = "ms" if metric == "latency" else results.unit(metric)
    return formatting.title(metric) + (f" ({unit})" if unit else "")


def _metric_entry(metric: str, value: float) -> Entry:
    if not math.isfinite(value):
        return Entry(formatting.NONE)
    if metric.startswith("memory_"):
        return Entry(formatting.number(value / 2**20), value)
    if metric == "roofline_share":
        return Entry(formatting.percent(value, 0 if value >= 0.095 else 1), value)
    if metric == "kernel_load":  # Where there is nothing to load, asking takes no time worth more digits.
        return Entry(f"{value:.2f}", value)
    return Entry(formatting.number(1e3 * value if metric == "latency" else value), value)


def _speed_entry(point: SpeedPoint, runs: Sequence[Run]) -> Entry:
    if point.y.n:
        return Entry(str(point.y), point.y.mean, estimate=Estimate(point.y.mean, point.y.low, point.y.high, point.y.n))
    if not point.fits:
        return Entry("does not fit", mark="bad")
    return Entry(", ".join(dict.fromkeys(STATUSES[run.status] for run in runs)), mark="bad")


def _spread_entry(point: SpeedPoint) -> Entry:
    if point.y.n < 2:
        return Entry(formatting.NONE)
    spread = point.y.spread
    return Entry(formatting.percent(spread), spread, mark="bad" if spread > MAX_SPREAD else "")


def _range_entry(samples: Sequence[float]) -> Entry:
    if len(samples) < 2:
        return Entry(formatting.NONE)
    low, high = np.quantile(samples, [0.05, 0.95])
    return Entry(f"{formatting.number(low)} to {formatting.number(high)}", float(low))


def _state_entry(point: SpeedPoint, runs: Sequence[Run]) -> Entry:
    """Return the reasons to doubt a cell; an empty state is a good one."""
    reasons = [
        _does_not_fit(run) if run.status == "oom" else STATUSES[run.status] for run in runs if run.status != "ok"
    ]
    reasons += point.doubts
    hint = "; ".join(dict.fromkeys(run.reason for run in runs if run.reason))
    return Entry(", ".join(dict.fromkeys(reasons)), mark="bad" if reasons else "", hint=hint)


def _does_not_fit(run: Run) -> str:
    message = run.record.error.message if run.record and run.record.error else ""
    return message.partition(":")[0] if message.startswith("does not fit") else "does not fit"
