"""The report of one suite: a page, its figures and tables as files, and the frame of all measurements."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from zigbench import html
from zigbench.records import collect
from zigbench.report import formatting, provenance, run_page, tables
from zigbench.report import table as table_files
from zigbench.report.answer import answer, completeness
from zigbench.report.choice import choice_table
from zigbench.report.factorial import factorial_tables
from zigbench.report.figures import Picture, catalogue, start_drawing
from zigbench.report.figures.images import SampleRow, animation, sample_rows, samples_by_arm
from zigbench.report.formatting import Sentence
from zigbench.report.groups import group_table
from zigbench.report.index import Summary, write_page
from zigbench.report.interaction import interaction_table
from zigbench.report.machines import machines_table
from zigbench.report.predictors import predictor_table
from zigbench.report.published.comparison import PublishedColumn, compare
from zigbench.report.published.figures import PUBLISHED, Figure, read
from zigbench.report.published.tables import comparison_tables, protocol_summary, protocol_table
from zigbench.report.results import Results, join
from zigbench.report.speed.outcomes import outcome_table
from zigbench.report.speed.series import swept_size
from zigbench.report.speed.tables import speed_tables
from zigbench.report.standard import shortfalls
from zigbench.report.table import Table
from zigbench.report.time_to_target import profile_ratios, profile_table, target_tables
from zigbench.report.variance import variance_table
from zigbench.spec.files import write_atomically
from zigbench.suite import Cell, Suite

MAX_FAILURES = 40


@dataclass(frozen=True)
class Failure:
    """A reason why runs have no result, with the names of those runs."""

    names: str
    state: str
    reason: str


@dataclass(frozen=True)
class SuitePage:
    """The contents of a suite's page, in the order of the page: the contract with ``suite.html.j2``.

    Whatever a suite does not have is None or empty, and its section is left out.
    """

    suite: Suite
    has_index: bool
    # Answer.
    answer: tuple[Sentence, ...]
    family: str
    lead: Picture | None
    completeness: str
    states: tuple[tuple[str, int], ...]
    protocol_summary: str
    problems: tuple[str, ...]
    # Tables.
    protocols: Table | None
    results: tuple[Table, ...]
    speed: tuple[Table, ...]
    equality: Table | None
    runs: Table
    former_runs: Table | None
    failures: tuple[Failure, ...]
    # Figures.
    losses: tuple[Picture, ...]
    samples: tuple[SampleRow, ...]
    sample_caption: str
    animated: bool
    orders: Picture | None
    further_figures: tuple[Picture, ...]
    # Provenance.
    environment: Table
    notes: tuple[str, ...]
    settings: Mapping[str, str]
    varying: tuple[str, ...]
    record_count: int
    newest: str
    command: str

    @property
    def contents(self) -> list[tuple[str, str]]:
        """Ids and titles of the sections that the page has."""
        sections = (
            ("answer", "Answer", True),
            ("protocols", "Protocols", self.protocols),
            ("results", "Results", self.results),
            ("speed", "Speed and memory", self.speed),
            ("curves", "Training", self.losses),
            ("samples", "Samples", self.samples),
            ("orders", "Scan orders", self.orders),
            ("figures", "Further figures", self.further_figures),
            ("equality", "Equality", self.equality),
            ("runs", "Every run", True),
            ("provenance", "Provenance", True),
            ("again", "Make it again", True),
        )
        return [(identity, title) for identity, title, present in sections if present]


def write(
    suite: Suite,
    cells: Sequence[Cell],
    *,
    root: Path | Sequence[Path] = collect.RUNS,
    out: Path,
    command: str,
    published_csv: Path = PUBLISHED,
    run_pages: bool = False,
) -> Path:
    """Write the report of ``suite`` into the folder ``out``, and return its ``index.html``.

    Missing records, metrics or samples are named on the page.

    Args:
        suite: the suite whose question is answered.
        cells: its cells, as planned.
        root: folder of runs, a pack, a zip of one, or several of these.
        out: the report's folder; created where it does not exist, and files of an earlier report are overwritten.
        command: the command line that makes this report again.
        published_csv: published figures; a missing or faulty file is named on the page.
        run_pages: True to write a page for every run too, to which the table of runs links. A report of a single
            run has it in any case.

    Raises:
        OSError: ``out`` can't be written.
    """
    for folder in (out, out / "figures", out / "tables"):
        folder.mkdir(parents=True, exist_ok=True)

    # Read the results.
    results = join(suite, cells, root)
    published_figures, published_problem = _read_published(suite, published_csv)
    compared = [column for part in results.parts.values() for column in compare(part, published_figures)]

    # Answer the question.
    sentences = answer(results)
    tally = completeness(results)

    # Figures: other processes draw them while the tables are made.
    requests, undrawn = catalogue.requests(results)
    drawing = start_drawing(requests, out / "figures", f"{tally}.")
    samples, _ = samples_by_arm(results)
    moving = animation(samples) if samples else None
    if moving is not None:
        write_atomically(out / "figures" / "samples.webp", moving)

    # Tables.
    protocols = protocol_table(results, published_figures)
    of_results = _with_note(_result_tables(results, compared), tally)
    of_speed = _with_note([*speed_tables(results), outcome_table(results, published_figures)], tally)
    equality = _with_note([provenance.equality_table(results) if results.finished else None], tally)
    environment = provenance.environment_table(results)
    linked = run_page.write_all(results, out / "runs") if run_pages or len(results.runs) == 1 else frozenset()
    runs = tables.run_table(results, linked)
    for table in (protocols, *of_results, *of_speed, *equality, environment, runs):
        if table is not None:
            table_files.write(table, out / "tables")

    settings, varying = provenance.settings(results)
    newest = _newest(results)

    _write_frame(results.frame.assign(suite=suite.name), out)

    # The page, through its template.
    pictures = drawing()
    lead, further = _order_figures(results, pictures)
    content = SuitePage(
        suite=suite,
        has_index=(out.parent / "index.html").exists(),
        answer=sentences,
        family=tables.family_note(results) if suite.contrasts and results.finished and results.metrics else "",
        lead=lead,
        completeness=tally,
        states=_count_states(results),
        protocol_summary=protocol_summary(results, published_figures, compared),
        problems=tuple(_problems(results, published_problem, undrawn)),
        protocols=protocols,
        results=of_results,
        speed=of_speed,
        equality=equality[0] if equality else None,
        runs=runs,
        former_runs=_former_runs(results, root, out / "cells.json", command),
        failures=_failures(results),
        losses=tuple(
            picture for name, picture in pictures.items() if name.partition("-")[0] in ("learning", "loss", "profiles")
        ),
        samples=sample_rows(samples),
        sample_caption=pictures["samples"].caption if "samples" in pictures else "",
        animated=moving is not None,
        orders=pictures.get("orders"),
        further_figures=further,
        environment=environment,
        notes=provenance.notes(results),
        settings=settings,
        varying=varying,
        record_count=sum(run.record is not None for run in results.runs),
        newest=newest,
        command=command,
    )
    text = html.render("zigbench.report", "suite.html.j2", title=f"{suite.name}: {suite.question}", page=content)
    summary = Summary(
        suite=suite.name,
        question=suite.question,
        answer=[str(sentence) for sentence in sentences],
        completeness=tally,
        hardware=provenance.hardware(results) if results.finished else "",
        recorded=newest,
        command=command,
    )
    return write_page(out, text, summary)


def _problems(results: Results, published_problem: str, undrawn: Sequence[str]) -> Iterator[str]:
    """Yield a sentence on all that is not used, not comparable, or not drawn."""
    if reasons := shortfalls(results):
        yield f"The summary of all suites does not show this as a result: {'; '.join(reasons)}."
    for run in results.runs:
        if run.status in ("damaged", "newer"):
            yield f"Not used: {run.cell.name}. {run.reason}."
    if published_problem:
        yield published_problem
    yield from (part.reason for part in results.damaged)
    if results.finished:
        yield from provenance.factor_warnings(results)
    for warnings in (provenance.data_warnings, provenance.code_warnings, provenance.repeat_warnings):
        yield from warnings(results)
    if results.finished:
        yield from undrawn
        yield from provenance.machine_warnings(results)


def _read_published(suite: Suite, path: Path) -> tuple[tuple[Figure, ...], str]:
    """Return the published figures, and a sentence on why there are none where the file can't be used."""
    if not suite.published:
        return (), ""
    try:
        return read(path), ""
    except OSError as error:
        return (), f"Published figures are not shown: {path} can't be read ({error.strerror})."
    except ValueError as error:
        return (), f"Published figures are not shown: {error}."


def _result_tables(results: Results, compared: Sequence[PublishedColumn]) -> list[Table | None]:
    """Return the tables of a suite that does not measure speed, as far as the results allow."""
    if swept_size(results) is not None or not results.finished or not results.metrics:
        return []
    of_parts: list[Table | None] = []
    for part in results.parts.values():
        if part.finished and part.metrics:
            of_parts += [tables.result_table(part), predictor_table(part), tables.effect_table(part), group_table(part)]
            of_parts += [tables.further_table(part)]
            of_parts += [choice_table(part), variance_table(part), machines_table(part)]
            of_parts.append(interaction_table(part, part.metrics[0]))
            of_parts += [*factorial_tables(part, part.metrics[0]), *target_tables(part)]
            of_parts += [tables.rank(part, part.metrics[0])]
    of_parts.append(profile_table(profile_ratios(results)))
    return [*of_parts, tables.rank_over_data(results, results.metrics[0]), *comparison_tables(compared)]


def _with_note(several: Iterable[Table | None], tally: str) -> tuple[Table, ...]:
    """Return the tables that there are, each with a note on how many runs it rests on, since files travel alone."""
    return tuple(replace(table, notes=(*table.notes, f"{tally}.")) for table in several if table is not None)


def _order_figures(results: Results, pictures: Mapping[str, Picture]) -> tuple[Picture | None, tuple[Picture, ...]]:
    """Return the figure beside the answer, and the further ones."""
    own = [name for name in pictures if not catalogue.is_standard(name)]
    effects = [name for name in pictures if name.partition("-")[0] == "effects"]
    lead = catalogue.main_figure(results, pictures)
    further = tuple(pictures[name] for name in [*effects[1:], *own, *effects[:1]] if name != lead)
    return pictures[lead] if lead else None, further


def _count_states(results: Results) -> tuple[tuple[str, int], ...]:
    """Return how many runs are in each state, finished ones first."""
    states = Counter(run.status for run in results.runs)
    return tuple(sorted(states.items(), key=lambda item: (item[0] != "ok", item[0])))


def _failures(results: Results) -> tuple[Failure, ...]:
    """Return the reasons why runs have no result, each once, and the first of many."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for run in results.runs:
        if run.reason:
            grouped.setdefault((run.status, run.reason), []).append(run.cell.name)
    failures = [
        Failure(formatting.join_some(names), formatting.STATUSES[status], reason)
        for (status, reason), names in list(grouped.items())[:MAX_FAILURES]
    ]
    if len(grouped) > MAX_FAILURES:
        rest = f"{len(grouped) - MAX_FAILURES:,} more: hover over the state in the table."
        failures.append(Failure("And", "", rest))
    return tuple(failures)


def _newest(results: Results) -> str:
    """Return the day of the newest record, UTC; "" without records."""
    days = [day for run in results.runs if run.record is not None and (day := run.files.recorded()) is not None]
    return max(days).isoformat() if days else ""


def _write_frame(frame: pd.DataFrame, out: Path) -> None:
    """Write the long frame as CSV and as Parquet."""
    frame.to_csv(out / "frame.csv", index=False)
    # Columns of mixed types (a setting that is a number in one arm and a word in another) have no Parquet type.
    mixed = [c for c in frame.columns if frame[c].map(type).nunique() > 1 and frame[c].dtype == object]
    frame.assign(**{c: frame[c].map(_as_text) for c in mixed}).to_parquet(out / "frame.parquet", index=False)


def _as_text(value: Any) -> str | None:
    return None if value is None or value is pd.NA or value != value else str(value)


def _former_runs(results: Results, root: Path | Sequence[Path], manifest: Path, command: str) -> Table | None:
    """Return the runs that the last report by the same command had and this one has not; update the manifest.

    By the same command: a report on a part of the suite has fewer cells without the suite having changed.
    """
    now = {run.id: run.cell.name for run in results.runs}
    try:
        commands = dict(json.loads(manifest.read_text(encoding="utf-8")))
        before = {str(key): str(name) for key, name in dict(commands.get(command, {})).items()}
    except (OSError, ValueError, TypeError):
        commands, before = {}, {}
    former = collect.scan(root, only=[run for run in before if run not in now])
    records = {record.id: record for _, record in former.records}
    commands[command] = now | {run: before[run] for run in records}
    write_atomically(manifest, json.dumps(commands, indent=1, ensure_ascii=False).encode())
    return tables.former_run_table(records, before)
