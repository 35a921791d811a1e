"""Commands about what is recorded: collect, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zigbench.cli.options import REPORTS, RUNS, Only, Profile, Reports, Results, Set, SuiteName, app, err, out
from zigbench.cli.planning import make_plan, write_report


@app.command()
def collect(
    results: Results = RUNS,
    csv: Annotated[Path | None, typer.Option(help="Write the long frame to this CSV file.")] = None,
) -> None:
    """Gather every record into one long table, and name the damaged ones."""
    from zigbench.collect import scan

    found = scan(results)
    table = found.frame()
    if csv:
        table.to_csv(csv, index=False)
    out.print(f"{len(found.records)} records, {len(table)} rows" + (f" written to {csv}" if csv else ""))
    for damaged in found.damaged:
        err.print(f"[red]damaged:[/] {damaged.reason}")
    if found.damaged:
        raise typer.Exit(1)


@app.command()
def report(
    suite: SuiteName,
    profile: Profile = None,
    only: Only = None,
    set_: Set = None,
    results: Results = RUNS,
    reports: Reports = REPORTS,
) -> None:
    """Write a suite's page, figures and tables from the records there are."""
    from zigbench.display import relative

    chosen, planned = make_plan(suite, profile, only, set_, None, results)
    page = write_report(chosen, [item.cell for item in planned.items], results, reports, only)
    out.print(f"report: [bold]{relative(page)}[/] (open it in a browser)")
