"""Commands about what is recorded: collect, report."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from zigbench.cli import completion
from zigbench.cli.options import (
    REPORTS,
    RUNS,
    Arm,
    Only,
    Profile,
    Reports,
    Results,
    Set,
    SuiteName,
    app,
    err,
    out,
    writable,
)
from zigbench.cli.planning import cells_of_page, make_plan, packed_suites, recorded_suites, words_of, write_report
from zigbench.records.sources import Sources
from zigbench.spec import registry
from zigbench.suite import Cell, Suite


@app.command()
def collect(
    results: Results = RUNS,
    csv: Annotated[Path | None, typer.Option(help="Write the long frame to this CSV file.")] = None,
) -> None:
    """Collect all records, and the files of `make benchmark`, in one long table; name the damaged ones."""
    from zigbench.records.collect import joined, scan
    from zigbench.report import benchmarks

    collected = scan(results)
    table = collected.frame()
    for folder in _benchmarks(results):
        table = joined(table, benchmarks.frame(folder))
    if csv:
        table.to_csv(csv, index=False)
    out.print(f"{len(collected.records)} records, {len(table)} rows" + (f" written to {csv}" if csv else ""))
    for damaged in collected.damaged:
        err.print(f"[red]{damaged.state}:[/] {escape(damaged.reason)}")
    if collected.damaged:
        raise typer.Exit(1)


@app.command()
def report(
    suite: Annotated[
        str | None,
        typer.Argument(
            metavar="[SUITE]",
            help="A registered suite, or the path of a suite's .py file.",
            autocompletion=completion.suites,
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every registered suite and profile with a record, and an index of them.")
    ] = False,
    benchmarks: Annotated[
        bool, typer.Option("--benchmarks", help="The files that `make benchmark` has stored beside the runs.")
    ] = False,
    run_pages: Annotated[bool, typer.Option("--run-pages", help="A page for every run too.")] = False,
    summary: Annotated[
        bool, typer.Option("--summary", help="README.md with each recorded suite's question, answer and main figure.")
    ] = False,
    profile: Profile = None,
    arm: Arm = None,
    only: Only = None,
    set_: Set = None,
    results: Results = RUNS,
    reports: Reports = REPORTS,
) -> None:
    """Write a suite's page, figures and tables from the existing records."""
    from zigbench.cli.render import relative

    if (suite is not None) + everything + benchmarks + summary != 1:
        raise ValueError("name one suite to report, or use --all, --summary or --benchmarks")
    if benchmarks:
        page = _report_benchmarks(results, reports)
        out.print(f"report: [bold]{relative(page)}[/] (open it in a browser)")
        return
    if suite is None:
        page, broken = _report_summary(results, reports) if summary else _report_all(results, reports, run_pages)
        out.print(f"{'summary' if summary else 'index'}: [bold]{relative(page)}[/] (open it in a browser)")
        for reason in broken:
            err.print(f"[red]left out:[/] {escape(reason)}")
        if broken:
            raise typer.Exit(1)
        return
    chosen, cells = _suite_to_report(suite, profile, only, set_, results, arm)
    page = write_report(chosen, cells, results, reports, run_pages)
    out.print(f"report: [bold]{relative(page)}[/] (open it in a browser)")


def _suite_to_report(
    name: str,
    profile: str | None,
    only: Sequence[str] | None,
    set_: Sequence[str] | None,
    results: Sequence[Path],
    arms: Sequence[str] | None,
) -> tuple[Suite, list[Cell]]:
    """Return a suite and its cells: as registered, or else, of one that is not, as a pack has it."""
    if not name.endswith(".py") and not registry.suites.holds(name):
        from zigbench.report.packed import packed_names, packed_suite  # pandas

        sources = Sources.of(results)
        if name in packed_names(sources):
            if profile or only or set_ or arms:
                raise ValueError(f"{name} is not registered here: its page is that of all its runs in the pack")
            return packed_suite(sources, name)
    chosen, planned = make_plan(name, profile, only, set_, None, results, arms)
    return chosen, cells_of_page(chosen, planned, only, set_)


def _benchmarks(results: Sequence[Path]) -> list[Path]:
    """Return the folders of benchmarks beside the folders of runs."""
    return list(dict.fromkeys(place.parent / "benchmarks" for place in results))


def _report_benchmarks(results: Sequence[Path], reports: Path) -> Path:
    from zigbench.report import write_benchmarks

    folders = _benchmarks(results)
    folder = next((folder for folder in folders if any(folder.glob("*.json"))), folders[0])
    return write_benchmarks(folder, reports / "benchmarks", command="zigbench report --benchmarks")


def _report_all(results: Sequence[Path], reports: Path, run_pages: bool) -> tuple[Path, list[str]]:
    """Write all reports and the index; return its path, and a reason for each suite that is broken."""
    from zigbench.report import write_index

    command = "zigbench report --all"
    reports.mkdir(parents=True, exist_ok=True)
    write_index(reports, command=command)  # The pages link to an index that is there.
    known, broken = _known_suites(results)
    for suite, cells in known:
        write_report(suite, cells, results, reports, run_pages)
    if any(path for folder in _benchmarks(results) for path in folder.glob("*.json")):
        _report_benchmarks(results, reports)
    return write_index(reports, command=command), broken


def _known_suites(results: Sequence[Path]) -> tuple[list[tuple[Suite, list[Cell]]], list[str]]:
    """Return all suites with a record: those that are registered, then others that a pack defines."""
    sources = Sources.of(results)
    known, broken = recorded_suites(sources)
    others, broken_too = packed_suites(sources, [suite for suite, _ in known])
    return known + others, broken + broken_too


def _report_summary(results: Sequence[Path], reports: Path) -> tuple[Path, list[str]]:
    """Write the summary; return its path, and a reason for each suite that is broken."""
    from zigbench.report import write_summary
    from zigbench.report.results import join

    places = [word for place in results if results != RUNS for word in ("--results", str(place))]
    known, broken = _known_suites(results)
    suites = []
    for suite, cells in known:
        line = shlex.join(["zigbench", "report", *words_of(suite), *places])
        suites.append((join(suite, cells, results), line))
    command = shlex.join(["zigbench", "report", "--summary", *places])
    return write_summary(suites, reports, command=command), broken


@app.command()
def inspect(
    suite: SuiteName,
    profile: Profile = None,
    only: Only = None,
    set_: Set = None,
    again: Annotated[bool, typer.Option("--again", help="Inspect again what was inspected before.")] = False,
    results: Results = RUNS,
) -> None:
    """Compute the effective receptive field of each recorded run's network, and store it in the run's folder.

    Runs with a checkpoint are inspected with their averaged weights, others as they are initialised; the report says
    which. No record changes.
    """
    from zigbench.records.folder import RunFolder
    from zigbench.runs.inspection import inspect as look

    root = writable(results)
    _, planned = make_plan(suite, profile, only, set_, None, results)
    folders = [RunFolder.of(item.cell.spec, root) for item in planned.items]
    recorded = [folder for folder in folders if folder.record.exists() and folder.spec.exists()]
    names = registry.inspections.names()
    for folder in recorded:
        if again or not all((folder.path / f"{name}.npz").exists() for name in names):
            look(folder, root.parent)
    out.print(f"{len(recorded)} of {len(folders)} runs are recorded and inspected ({', '.join(names)})")
