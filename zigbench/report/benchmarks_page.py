"""The page of the stored benchmarks: for each machine its kernels over length and beside peers, and every part."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zigbench.report import benchmarks, figures, formatting, render, writers
from zigbench.report.benchmarks import OURS, Benchmarks, Timing
from zigbench.report.figures import Asked, ask
from zigbench.report.figures.speed import Rounds, Spot
from zigbench.report.tables import Column, Entry, Table
from zigbench.spec.files import write_atomically

QUESTION = "How fast are the kernels and the other parts, beside their peers and beside what the machine can do?"
MODES = ("inference", "forward and backward")


def write_benchmarks(folder: Path, out: Path, *, command: str) -> Path:
    """Write the page of all files of benchmarks in ``folder`` into ``out``, and return its ``index.html``.

    A file that can't be read as one is named on the page.

    Args:
        folder: holds the ``.json`` files; one that does not exist holds none.
        out: the report's folder.
        command: the command line that makes the page again.

    Raises:
        OSError: ``out`` can't be written.
    """
    for path in (out / "figures", out / "tables"):
        path.mkdir(parents=True, exist_ok=True)
    found: list[Benchmarks] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(benchmarks.read(path))
        except (OSError, ValueError) as error:
            problems.append(f"Not used: {error}.")
    asked = {name: figure for here in found for name, figure in _figures(here).items()}
    drawn = figures.pictured(asked, out / "figures")
    machines = []
    for here in found:
        tables = [table for table in (_kernel_table(here), _part_table(here)) if table.rows]
        for table in tables:
            writers.write(table, out / "tables")
        mine = [render.shown(drawn[name]) for name in _figures(here)]
        machines.append({"id": formatting.slug(here.name), "about": here, "figures": mine, "tables": tables})
    said = [sentence for here in found if (sentence := _answer(here))]
    answer = said or ["There is no answer yet: `make benchmark` stores none where it has not run."]
    context: dict[str, Any] = {
        "title": "Benchmarks", "question": QUESTION, "answer": answer, "machines": machines, "problems": problems,
        "command": command, "index": (out.parent / "index.html").exists(),
    }  # fmt: skip
    index = out / "index.html"
    render.write(index, render.page("benchmarks.html.j2", **context))
    summary = {
        "suite": "benchmarks",
        "question": QUESTION,
        "answer": answer,
        "completeness": formatting.count(len(found), "machine"),
        "hardware": ", ".join(dict.fromkeys(here.machine for here in found)),
        "recorded": max((here.day for here in found), default=""),
        "command": command,
    }
    write_atomically(out / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False).encode())
    return index


def _answer(here: Benchmarks) -> str:
    """The range of the ratios to each peer, in a sentence or two; "" where there is no peer."""
    said = ""
    if parts := _ranges(here, kept=False):
        said = f"On {here.machine}, {formatting.listed(parts)} as the kernels of this package."
    if parts := _ranges(here, kept=True):
        said += (
            f" Where all calls find the memory of those before them again, so that no time goes into the system's"
            f" clearing of new pages, {formatting.listed(parts)}."
        )
    return said


def _ranges(here: Benchmarks, *, kept: bool) -> list[str]:
    """How many times as long each peer takes, in words."""
    ratios: dict[str, list[float]] = {}
    for row in _ratios(here, kept).values():
        for peer, ratio in row.items():
            ratios.setdefault(peer, []).append(ratio)
    ends = {
        peer: dict.fromkeys(formatting.number(ratio, 3) for ratio in (min(of), max(of))) for peer, of in ratios.items()
    }
    return [f"{peer} takes {' to '.join(of)} times as long" for peer, of in ends.items()]


def _ratios(here: Benchmarks, *which: bool) -> dict[str, dict[str, float]]:
    """Times of peers over ours by task, along the same visiting order; with memory kept or not, or both."""
    ours = {timing.task: timing.seconds for timing in here.timings if timing.implementation == OURS}
    rows: dict[str, dict[str, float]] = {}
    for timing in here.timings:
        if timing.implementation != OURS and timing.task in ours and (not which or timing.kept in which):
            rows.setdefault(_task(timing, here), {})[timing.implementation] = timing.seconds / ours[timing.task]
    return rows


def _task(timing: Timing, here: Benchmarks) -> str:
    shape = f"{timing.op}, {timing.batch}×{timing.length}×{timing.channels}, {timing.how}"
    several = len({t.order for t in here.timings if t.implementation != OURS}) > 1
    return f"{shape}, {timing.order} order" if several else shape


def _figures(here: Benchmarks) -> dict[str, Asked]:
    stem, where = formatting.slug(here.name), f"{here.machine}."
    made: dict[str, Asked] = {}
    times = _over_length(here, lambda t: 1e3 * t.seconds)
    if times:
        name = f"{stem}-length"
        made[name] = ask(figures.panels, times, "Sequence length", "time", name, "ms", caption=f"The scan on {where}")
    shares = _over_length(here, lambda t: 100 * t.share)
    if shares:
        name, caption = f"{stem}-roofline", f"The scan's share of what {here.machine} allows, measured beside it."
        made[name] = ask(
            figures.panels, shares, "Sequence length", "share_of_the_roofline", name, "%", slopes=False, caption=caption
        )
    extra = _over_length(here, lambda t: t.extra)
    if extra:
        name, caption = f"{stem}-memory", f"Bytes allocated in a call over those of its input u, on {where}"
        made[name] = ask(
            figures.panels, extra, "Sequence length", "extra_memory", name, "× u", slopes=False, caption=caption
        )
    if rows := _ratios(here):
        name = f"{stem}-peers"
        caption = f"Shapes: batch × length × channels. Results were compared before anything was timed. {where}"
        made[name] = ask(figures.ratios, rows, name, caption=caption)
    return made


def _over_length(here: Benchmarks, figure: Any) -> dict[str, dict[str, tuple[Spot, ...]]]:
    """Panels by mode, lines that reach over at least two lengths: unlike types, batches and orders stay apart."""
    lines: dict[tuple[str, tuple[str, ...]], list[Spot]] = {}
    for timing in here.timings:
        value = figure(timing)
        if timing.op == "scan" and not timing.kept and math.isfinite(value):
            spot = Spot(float(timing.length), Rounds((value,)))
            lines.setdefault((timing.mode, _line(timing)), []).append(spot)
    long = {key: spots for key, spots in lines.items() if len({spot.x for spot in spots}) > 1}
    # What all lines share need not stand beside each.
    parts = list(zip(*(line for _, line in long), strict=True))
    told = [place for place, values in enumerate(parts) if place == 0 or len(set(values)) > 1]
    panels: dict[str, dict[str, tuple[Spot, ...]]] = {}
    for mode in MODES:
        for (its, line), spots in long.items():
            if its == mode:
                label = ", ".join(line[place] for place in told)
                panels.setdefault(mode.capitalize(), {})[label] = tuple(sorted(spots, key=lambda spot: spot.x))
    return panels


def _line(timing: Timing) -> tuple[str, ...]:
    return (
        timing.implementation,
        timing.dtype,
        f"{timing.order} order",
        f"batch {timing.batch}",
        f"{formatting.number(timing.channels)} channels",
    )


def _kernel_table(here: Benchmarks) -> Table:
    ours = {timing.task: timing.seconds for timing in here.timings if timing.implementation == OURS}
    columns = (
        Column("Operation"), Column("Whose"), Column("Mode"), Column("Batch", True), Column("Length", True),
        Column("Channels", True), Column("Type"), Column("Order"), Column("Time (ms)", True),
        Column("Over ours", True), Column("Of the roofline", True), Column("Extra memory (× u)", True),
    )  # fmt: skip
    rows = [
        (
            Entry(t.op), Entry(t.implementation), Entry(t.how), Entry(str(t.batch), t.batch),
            Entry(formatting.number(t.length), t.length), Entry(formatting.number(t.channels), t.channels),
            Entry(t.dtype), Entry(t.order), _figure(1e3 * t.seconds),
            _figure(t.seconds / ours[t.task] if t.task in ours and t.implementation != OURS else math.nan, 3),
            _figure(100 * t.share, 3, " %"), _figure(t.extra, 3),
        )
        for t in here.timings
    ]  # fmt: skip
    return Table(f"kernels-{formatting.slug(here.name)}", "Kernels", columns, tuple(rows))


def _part_table(here: Benchmarks) -> Table:
    columns = (
        Column("Part"), Column("Median (ms)", True), Column("Quartiles (ms)"), Column("Rounds", True),
        Column("Told beside"),
    )  # fmt: skip
    rows = [
        (
            Entry(part.name), _figure(1e3 * part.median),
            Entry(f"{formatting.number(1e3 * part.low)} to {formatting.number(1e3 * part.high)}"),
            Entry(str(part.rounds), part.rounds), Entry(_told(list(part.told.items()))),
        )
        for part in here.parts
    ]  # fmt: skip
    return Table(f"parts-{formatting.slug(here.name)}", "Every part that is timed", columns, tuple(rows))


def _told(figures_of: Sequence[tuple[str, float]]) -> str:
    return "; ".join(f"{name} {formatting.number(value, 3)}" for name, value in figures_of)


def _figure(value: float, digits: int = 4, unit: str = "") -> Entry:
    return Entry(formatting.number(value, digits) + unit, value) if math.isfinite(value) else Entry(formatting.NONE)
