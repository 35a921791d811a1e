"""The report of one suite: a page, its figures and tables as files, the frame, and a page per run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from zigbench.records import collect
from zigbench.report import figures, formatting, provenance, published, render, results, run_page, tables, writers
from zigbench.report.answer import answer, completeness
from zigbench.report.figures import Picture, catalogue
from zigbench.report.results import Results
from zigbench.report.speed import tables as speed_tables
from zigbench.report.speed.series import dial_of
from zigbench.report.statistics import friedman
from zigbench.report.tables import Column, Entry, Table
from zigbench.spec.files import write_atomically
from zigbench.suite import Cell, Suite

LISTED_FAILURES = 40


def write(
    suite: Suite,
    cells: Sequence[Cell],
    *,
    root: Path | Sequence[Path] = collect.RUNS,
    out: Path,
    command: str,
    published_csv: Path = published.PUBLISHED,
) -> Path:
    """Write the report of ``suite`` into the folder ``out``, and return its ``index.html``.

    Whatever is lacking — records, metrics, samples — is said on the page.

    Args:
        suite: whose question is answered.
        cells: its cells, as planned.
        root: folder of runs, a pack, a zip of one, or several of these.
        out: the report's folder; made where it is not there, and files of an earlier report are overwritten.
        command: the command line that makes this report again.
        published_csv: published figures; a missing or faulty file is said on the page.

    Raises:
        OSError: ``out`` can't be written.
    """
    for folder in (out, out / "figures", out / "tables", out / "runs"):
        folder.mkdir(parents=True, exist_ok=True)
    found = results.join(suite, cells, root)
    problems: list[str] = [f"Not used: {run.cell.name}. {run.reason}." for run in _damaged(found)]
    known, fault = _published(published_csv) if suite.published else ((), "")
    problems += [fault] if fault else []

    asked, undrawn = catalogue.draw(found)
    problems += [item.reason for item in found.damaged]
    problems += provenance.other_code(found)
    problems += provenance.repeated(found)
    problems += [*undrawn, *provenance.mixed(found)] if found.finished else []
    # Files travel alone: each says itself how much of the suite it stands on.
    tally = f"{completeness(found)}."
    drawn = figures.pictured(asked, out / "figures", tally)
    shown_tables = {
        name: table if name in ("environment", "protocols") else replace(table, notes=(*table.notes, tally))
        for name, table in _tables(found, known).items()
    }
    for table in shown_tables.values():
        writers.write(table, out / "tables")
    samples, _ = catalogue.sample_sets(found)
    animation = render.animation(samples) if samples else None
    if animation is not None:
        write_atomically(out / "figures" / "samples.webp", animation)
    parquet = _write_frame(found.frame, out)
    linked = run_page.write_all(found, out / "runs")
    runs = tables.run_table(found, linked)
    writers.write(runs, out / "tables")

    context = _context(found, drawn, shown_tables) | {
        "animated": animation is not None,
        "runs": runs,
        "earlier": _earlier(found, root, out / "cells.json", command),
        "problems": problems,
        "distance": provenance.in_short(found, known),
        "command": command,
        "parquet": parquet,
        "index": (out.parent / "index.html").exists(),
    }
    index = out / "index.html"
    render.write(index, render.page("suite.html.j2", **context))
    summary = {
        "suite": suite.name,
        "question": suite.question,
        "answer": [str(sentence) for sentence in context["answer"]],
        "completeness": context["completeness"],
        "hardware": provenance.hardware(found) if found.finished else "",
        "recorded": _newest(found),
        "command": command,
    }
    write_atomically(out / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False).encode())
    return index


def _context(found: Results, drawn: Mapping[str, Picture], made: Mapping[str, Table]) -> dict[str, Any]:
    shared, varying = provenance.settings(found)
    samples, _ = catalogue.sample_sets(found)
    tally = Counter(run.status for run in found.runs)
    # Without a second seed the effects have no interval and answer little: the suite's own figure goes first.
    own = [name for name in drawn if name not in catalogue.STANDARD]
    lead = "effects" if "effects" in drawn and (len(found.seeds) > 1 or not own) else next(iter(own), None)
    further = [drawn[name] for name in [*own, "effects"] if name in drawn and name != lead]
    context: dict[str, Any] = {
        "title": f"{found.suite.name}: {found.suite.question}",
        "suite": found.suite,
        "answer": answer(found),
        "contrasts": len(found.suite.contrasts) if found.finished else 0,
        "lead": render.shown(drawn[lead]) if lead else None,
        "completeness": completeness(found),
        "tally": sorted(tally.items(), key=lambda item: (item[0] != "ok", item[0])),
        "protocols": made.get("protocols"),
        "results": made.get("results"),
        "effects": made.get("effects"),
        "ranking": made.get("ranking"),
        "speed": [made[name] for name in ("crossover", "slopes", "cells") if name in made],
        "published": [table for name, table in made.items() if name.startswith("published-")],
        "curves": render.shown(drawn["loss"]) if "loss" in drawn else None,
        "samples": render.pictures(samples),
        "sample_caption": drawn["samples"].caption if "samples" in drawn else "",
        "orders": render.shown(drawn["orders"]) if "orders" in drawn else None,
        "figures": [render.shown(d) for d in further],
        "equality": made.get("equality"),
        "environment": made["environment"],
        "notes": provenance.notes(found),
        "settings": shared,
        "varying": varying,
        "failures": _failures(found),
        "records": formatting.count(sum(run.record is not None for run in found.runs), "record"),
        "newest": f"Newest record: {_newest(found)}." if _newest(found) else "",
    }
    sections = {
        "answer": "Answer", "protocols": "Protocols", "results": "Results", "speed": "Speed and memory",
        "curves": "Training", "samples": "Samples", "orders": "Scan orders", "figures": "Further figures",
        "equality": "Equality", "runs": "Every run", "provenance": "Provenance", "again": "Make it again",
    }  # fmt: skip
    context["contents"] = [(key, name) for key, name in sections.items() if context.get(key, True)]
    return context


def _tables(found: Results, known: tuple[published.Figure, ...]) -> dict[str, Table]:
    """Every table that the results allow, by name."""
    made: list[Table | None] = [provenance.environment_table(found), provenance.differences(found, known)]
    if dial_of(found) is not None:
        made += [speed_tables.crossover_table(found), speed_tables.slope_table(found), speed_tables.cell_table(found)]
        made.append(provenance.equality_table(found) if found.finished else None)
    elif found.finished and found.metrics:
        made += [tables.result_table(found), tables.effect_table(found)[0], provenance.equality_table(found)]
        made.append(_ranking(found, found.metrics[0]))
        groups: dict[tuple[str, str], list[published.Comparison]] = {}
        for comparison in published.compare(found, known):
            groups.setdefault((comparison.table, comparison.source), []).append(comparison)
        made += [tables.published_table(group) for group in groups.values()]
    return {table.name: table for table in made if table is not None}


def _ranking(found: Results, metric: str) -> Table | None:
    direction = found.direction(metric)
    if direction is None:
        return None
    try:
        ranking = friedman(found.values(metric).dropna(how="all"), direction)
    except ValueError:
        return None  # Too few arms or seeds for this test; the results table shows how many there are.
    return tables.ranking_table(ranking, metric)


def _published(path: Path) -> tuple[tuple[published.Figure, ...], str]:
    try:
        return published.read(path), ""
    except OSError as error:
        return (), f"Published figures are not shown: {path} can't be read ({error.strerror})."
    except ValueError as error:
        return (), f"Published figures are not shown: {error}."


def _damaged(found: Results) -> list[results.Run]:
    return [run for run in found.runs if run.status == "damaged"]


def _failures(found: Results) -> list[dict[str, str]]:
    """Why runs have no result, each reason once with the runs it befell; of many reasons, the first."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for run in found.runs:
        if run.reason:
            grouped.setdefault((run.status, run.reason), []).append(run.cell.name)
    listed = [
        {"name": _some(names), "state": tables.STATUSES[status], "reason": reason}
        for (status, reason), names in list(grouped.items())[:LISTED_FAILURES]
    ]
    if len(grouped) > LISTED_FAILURES:
        rest = f"{len(grouped) - LISTED_FAILURES:,} more: hover over the state in the table, or open the run's page."
        listed.append({"name": "And", "state": "", "reason": rest})
    return listed


def _some(names: list[str]) -> str:
    rest = len(names) - 4
    return ", ".join(names[:4]) + (f" and {formatting.count(rest, 'other')}" if rest > 0 else "")


def _write_frame(frame: pd.DataFrame, out: Path) -> bool:
    """The long frame as CSV, and as Parquet where a writer is installed; whether the latter was written."""
    frame.to_csv(out / "frame.csv", index=False)
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    # Columns of mixed types (a setting that is a number in one arm and a word in another) have no Parquet type.
    mixed = [c for c in frame.columns if frame[c].map(type).nunique() > 1 and frame[c].dtype == object]
    frame.assign(**{c: frame[c].map(_as_text) for c in mixed}).to_parquet(out / "frame.parquet", index=False)
    return True


def _as_text(value: Any) -> str | None:
    return None if value is None or value is pd.NA or value != value else str(value)


def _newest(found: Results) -> str:
    """Day of the newest record, UTC; "" without records."""
    days = [day for run in found.runs if run.record is not None and (day := run.files.recorded()) is not None]
    return max(days).isoformat() if days else ""


def _earlier(found: Results, root: Path | Sequence[Path], manifest: Path, command: str) -> Table | None:
    """Runs that the last report by the same command had and this one has not; brings the manifest up to date.

    By the same command: a report on a part of the suite lacks cells without the suite having changed.
    """
    now = {run.id: run.cell.name for run in found.runs}
    try:
        commands = dict(json.loads(manifest.read_text(encoding="utf-8")))
        before = {str(key): str(name) for key, name in dict(commands.get(command, {})).items()}
    except (OSError, ValueError, TypeError):
        commands, before = {}, {}
    kept = collect.scan(root, only=[run for run in before if run not in now])
    old = {record.id: record for _, record in kept.records}
    commands[command] = now | {run: before[run] for run in old}
    write_atomically(manifest, json.dumps(commands, indent=1, ensure_ascii=False).encode())
    if not old:
        return None
    rows = []
    for identity, record in old.items():
        figures_of = "; ".join(
            f"{formatting.noun(m.name)} {formatting.number(m.value)}"
            for m in record.measurements
            if m.value is not None
        )
        rows.append((Entry(before[identity]), Entry(identity), Entry(record.status), Entry(figures_of or "–")))
    columns = (Column("Cell"), Column("Run"), Column("State"), Column("Figures"))
    return Table("earlier", "From an earlier version of this suite", columns, tuple(rows))
