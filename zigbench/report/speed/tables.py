"""What a suite of speed says in tables and sentences: every cell, how costs grow, and where one overtakes another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zigbench.report import formatting
from zigbench.report.figures.speed import APART, DOUBTFUL, Spot
from zigbench.report.results import Results, Run
from zigbench.report.slopes import crossover, fit_slope
from zigbench.report.speed.figures import peak
from zigbench.report.speed.series import MODES, Line, dial_of, lines
from zigbench.report.statistics import Estimate, mean_interval
from zigbench.report.tables import STATUSES, Column, Entry, Table

TIMES, WORK = ("latency", "kernel_load", "first_call", "compile_time"), ("parameters", "roofline_share")
"""Measurements beside speed and memory, where any run has them."""


@dataclass(frozen=True)
class Duel:
    """A scan and an attention in one mode: where the scan overtakes, or who is ahead at every size both fit.

    Args:
        at: the size from which on the scan is faster; None where there is no such size among those measured.
        ahead: at the largest size that both were measured at, the scan's speed over the attention's.
        sizes: the smallest and the largest size that both were measured at.
        always: whether the scan is ahead at all of them.
        alone: whether only the scan fits at the largest size of all.
        memory: at the largest shared size, the scan's peak memory over the attention's; NaN where it was not measured.
    """

    mode: str
    scan: str
    attention: str
    at: float | None
    ahead: float
    sizes: tuple[float, float]
    always: bool
    alone: bool
    memory: float

    @property
    def verdict(self) -> str:
        """In words, for a table."""
        low, high = (formatting.number(size) for size in self.sizes)
        if self.at is not None:
            return f"from about {formatting.about(self.at)} patches on"
        if self.always:
            return f"at every size, {low} to {high} patches"
        if self.ahead > 1:
            return f"not steadily: ahead at {high} patches, and not at all before"
        return f"not within the grid, {low} to {high} patches"


def duels(found: Results) -> tuple[Duel, ...]:
    """Every scan against every attention of the same mode, where both were measured at two sizes or more."""
    dial = dial_of(found)
    if dial is None or dial.title != "Patches":
        return ()
    made = [line for line in lines(found, dial, "fps") if line.measured]
    pairs = [
        (a, b)
        for a in made
        for b in made
        if a.scans and not b.scans and a.mode == b.mode and _alike(a.conditions, b.conditions)
    ]
    metric = peak(found)
    kept = {(line.mode, line.label): line for line in lines(found, dial, metric)} if metric else {}
    fought = []
    for a, b in pairs:
        theirs = {spot.x: spot.y.mean for spot in b.measured}
        shared = [(spot.x, spot.y.mean, theirs[spot.x]) for spot in a.measured if spot.x in theirs]
        if len(shared) < 2:
            continue
        sizes, ours, others = zip(*shared, strict=True)
        last = max(spot.x for spot in (*a.spots, *b.spots))
        alone = _fits(a, last) and any(spot.x == last and not spot.fits for spot in b.spots)
        ahead = [x > y for x, y in zip(ours, others, strict=True)]
        fought.append(
            Duel(
                a.mode,
                a.label,
                b.label,
                crossover(sizes, ours, others),
                ours[-1] / others[-1],
                (sizes[0], sizes[-1]),
                all(ahead),
                alone,
                _at(kept.get((a.mode, a.label)), sizes[-1]) / _at(kept.get((b.mode, b.label)), sizes[-1]),
            )
        )
    return tuple(fought)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _fits(line: Line, x: float) -> bool:
    return any(spot.x == x for spot in line.measured)


def _at(line: Line | None, x: float) -> float:
    return next((spot.y.mean for spot in line.measured if spot.x == x), math.nan) if line is not None else math.nan


def _alike(a: Mapping[str, str], b: Mapping[str, str]) -> bool:
    """Whether two lines' conditions agree in all that both have but the kernel, which is a matter of the network."""
    return all(a[name] == b[name] for name in a.keys() & b.keys() - {"kernel"})


def crossover_table(found: Results) -> Table | None:
    """Where each scan overtakes each attention; None where there are not both."""
    fought = duels(found)
    if not fought:
        return None
    rows = [
        (
            Entry(MODES.get(d.mode, d.mode)),
            Entry(d.scan),
            Entry(d.attention),
            Entry(d.verdict, d.at if d.at is not None else 0.0 if d.always else None),
            Entry(f"{d.ahead:.2f}×" + (f" at {formatting.number(d.sizes[1])}"), d.ahead),
            Entry(f"{d.memory:.2f}×" if math.isfinite(d.memory) else formatting.NONE, _finite(d.memory)),
            Entry("the attention does not fit where the scan does" if d.alone else ""),
        )
        for d in fought
    ]
    columns = (
        Column("Mode"), Column("Scan"), Column("Attention"), Column("Scan is faster"),
        Column("Speed, scan over attention", True), Column("Peak memory, scan over attention", True), Column("Beside"),
    )  # fmt: skip
    notes = (
        "Between two measured sizes the ratio of the speeds is taken to be a power of the patches. Only lines measured "
        "on one device, in one precision, compiled alike, are compared.",
    )
    return Table("crossover", "Where the scan overtakes attention", columns, tuple(rows), notes)


def slope_table(found: Results) -> Table | None:
    """The exponents of speed and of peak memory over the dial, a row a line; None without a dial or two sizes."""
    dial = dial_of(found)
    if dial is None:
        return None
    metrics = [metric for metric in ("fps", peak(found)) if metric and len(found.rows(metric))]
    by_line: dict[tuple[str, str], dict[str, Line]] = {}
    for metric in metrics:
        for line in lines(found, dial, metric):
            by_line.setdefault((line.mode, line.label), {})[metric] = line
    rows = []
    for (mode, label), of in by_line.items():
        fits = [_exponent(of.get(metric), sizes) for metric in metrics for sizes in (None, LARGEST)]
        if any(fit is not None for fit in fits):
            rows.append((Entry(MODES.get(mode, mode)), Entry(label), *(_slope_entry(fit) for fit in fits)))
    if not rows:
        return None
    names = {"fps": "FPS", peak(found): "Peak memory"}
    titles = [f"{names[metric]}: {of}" for metric in metrics for of in ("exponent", f"largest {LARGEST} sizes")]
    columns = (Column("Mode"), Column("Line"), *(Column(title, True) for title in titles))
    note = f"Exponent of the power law over {dial.title.lower()}, ± half of its 95 % interval. Speed: {dial.law}."
    return Table("slopes", f"How speed and memory go with {dial.title.lower()}", columns, tuple(rows), (note,))


LARGEST = 3
"""Sizes that the exponent at the end of a line is fitted to: the fewest with an interval."""


def _exponent(line: Line | None, largest: int | None = None) -> tuple[float, float, float] | None:
    """Of a whole line, or of its so many largest sizes where it has more than that."""
    spots = line.measured if line is not None else ()
    sizes = sorted({spot.x for spot in spots})
    if len(sizes) < 2 or (largest is not None and len(sizes) <= largest):
        return None
    if largest is not None:
        spots = tuple(spot for spot in spots if spot.x in sizes[-largest:])
    try:
        return fit_slope([spot.x for spot in spots], [spot.y.mean for spot in spots])
    except ValueError:
        return None


def _slope_entry(fit: tuple[float, float, float] | None) -> Entry:
    if fit is None:
        return Entry(formatting.NONE)
    slope, low, high = fit
    text = formatting.signed(round(slope, 2), 2)
    if math.isfinite(low):
        text += f" ± {(high - low) / 2:.2f}"
    return Entry(text, slope, estimate=Estimate(slope, low, high, 0) if math.isfinite(low) else None)


def cell_table(found: Results) -> Table | None:
    """Every cell of the dial: its speed and the spread of that, its memory, and the conditions of both."""
    dial = dial_of(found)
    if dial is None:
        return None
    made = lines(found, dial, "fps")
    metrics = [m for m in (*TIMES, peak(found), *WORK) if m and len(found.rows(m))]
    told = list(dict.fromkeys(name for line in made for name in line.conditions))
    columns = (
        Column("Mode"), Column("Line"), Column(dial.title, True), Column("FPS (images/s)", True),
        Column("Rounds apart", True), Column("5 % to 95 %", True, "of the raw samples of all rounds"),
        *(Column(_heading(metric, found), True) for metric in metrics),
        *(Column(name.capitalize()) for name in told), Column("State"),
    )  # fmt: skip
    samples = _samples(found)
    values = {metric: found.values(metric) for metric in metrics}
    rows = []
    for line in made:
        for spot, runs in zip(line.spots, line.runs, strict=True):
            raw = [v for run in runs for v in samples.get(run.id, ())]
            low, high = np.quantile(raw, [0.05, 0.95]) if len(raw) > 1 else (math.nan, math.nan)
            spread = f"{formatting.number(low)} to {formatting.number(high)}" if math.isfinite(low) else formatting.NONE
            means = [mean_interval(values[m].loc[r.arm, r.seed] for r in runs).mean for m in metrics]
            rows.append((
                Entry(MODES.get(line.mode, line.mode)), Entry(line.label), Entry(formatting.number(spot.x), spot.x),
                _speed(spot, runs), _apart(spot), Entry(spread, float(low) if math.isfinite(low) else None),
                *(_figure(metric, mean) for metric, mean in zip(metrics, means, strict=True)),
                *(Entry(line.conditions.get(name, formatting.NONE)) for name in told), _state(runs, spot),
            ))  # fmt: skip
    notes = [
        "FPS: mean over rounds of each round's median, and in brackets the range of the rounds. The state says why "
        f"a cell is in doubt: {DOUBTFUL}."
    ]
    for line in made:
        if found_largest := largest(line):
            what, value = found_largest
            where = f"{line.label}, {MODES.get(line.mode, line.mode).lower()}"
            notes.append(f"{where}: the largest {what} that fits is {formatting.number(value)}.")
    return Table("cells", "Every cell", columns, tuple(rows), tuple(notes))


def _samples(found: Results) -> dict[str, tuple[float, ...]]:
    """The raw samples of the speed, by run."""
    rows = found.rows("fps")
    return {str(run): tuple(samples) for run, samples in zip(rows["run"], rows["samples"], strict=True)}


def _heading(metric: str, found: Results) -> str:
    if metric == peak(found):
        return "Peak memory (MiB)"
    unit = "ms" if metric == "latency" else found.unit(metric)
    return formatting.title(metric) + (f" ({unit})" if unit else "")


def _figure(metric: str, value: float) -> Entry:
    if not math.isfinite(value):
        return Entry(formatting.NONE)
    if metric.startswith("memory_"):
        return Entry(formatting.number(value / 2**20), value)
    if metric == "roofline_share":
        return Entry(f"{100 * value:.0f} %" if value >= 0.095 else f"{100 * value:.1f} %", value)
    if metric == "kernel_load":  # Where there is nothing to load, asking takes no time worth naming.
        return Entry(f"{value:.2f}", value)
    return Entry(formatting.number(1e3 * value if metric == "latency" else value), value)


def _speed(spot: Spot, runs: Sequence[Run]) -> Entry:
    if spot.y.n:
        return Entry(str(spot.y), spot.y.mean, estimate=Estimate(spot.y.mean, spot.y.low, spot.y.high, spot.y.n))
    if not spot.fits:
        return Entry("does not fit", mark="bad")
    return Entry(", ".join(dict.fromkeys(STATUSES[run.status] for run in runs)), mark="bad")


def _apart(spot: Spot) -> Entry:
    if spot.y.n < 2:
        return Entry(formatting.NONE)
    share = spot.y.apart
    return Entry(f"{100 * share:.1f} %", share, mark="bad" if share > APART else "")


def _state(runs: Sequence[Run], spot: Spot) -> Entry:
    """What is to be said against a cell; an empty state is a good one."""
    told = []
    for run in runs:
        if run.status == "oom":
            told.append(_does_not_fit(run))
        elif run.status != "ok":
            told.append(STATUSES[run.status])
    told += spot.doubts
    reasons = "; ".join(dict.fromkeys(run.reason for run in runs if run.reason))
    return Entry(", ".join(dict.fromkeys(told)), mark="bad" if told else "", hint=reasons)


def _does_not_fit(run: Run) -> str:
    message = run.record.error.message if run.record and run.record.error else ""
    return message.partition(":")[0] if message.startswith("does not fit") else "does not fit"


def largest(line: Line) -> tuple[str, float] | None:
    """What was searched the largest of where the line no longer fits, and the largest; None where none was found."""
    for run in (run for runs in line.runs for run in runs):
        for m in run.record.measurements if run.record and run.status == "oom" else ():
            if m.name.startswith("largest_") and m.value:
                return m.name.removeprefix("largest_").replace("patches", "number of patches"), m.value
    return None
