"""Commands that plan runs and do them here: plan, run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.markup import escape

from zigbench.cli.options import (
    REPORTS,
    RUNS,
    Only,
    Profile,
    Reports,
    Results,
    Retry,
    Set,
    SuiteName,
    app,
    err,
    out,
    writable,
)
from zigbench.cli.planning import command, make_plan, write_report


@app.command()
def plan(
    asked: typer.Context,
    suite: SuiteName,
    profile: Profile = None,
    only: Only = None,
    set_: Set = None,
    retry: Retry = None,
    results: Results = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Show what a suite asks for and what of it is already recorded."""
    from zigbench.cli.render import classes_table, state_table
    from zigbench.data.config import missing
    from zigbench.launch import describe

    chosen, planned = make_plan(suite, profile, only, set_, retry, results)
    if as_json:
        sys.stdout.write(json.dumps({"suite": chosen.name, **planned.to_json()}, indent=1) + "\n")
        return
    out.print(f"[bold]{chosen.name}[/] asks: {chosen.question}\n")
    out.print(state_table(planned.items))
    todo = command(asked, "run", *retries(retry or ()))
    out.print(f"\n{describe(planned.items)}; `{todo}` would run {len(planned.todo)}.", markup=False)
    if planned.todo:
        out.print(classes_table(planned))
    for lack in dict.fromkeys(missing(item.cell.spec.data.config) for item in planned.todo):
        if lack:
            out.print(f"\n{lack}", markup=False)


@app.command()
def run(
    asked: typer.Context,
    suite: SuiteName,
    profile: Profile = None,
    only: Only = None,
    set_: Set = None,
    retry: Retry = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time; by default what cores and memory allow.")
    ] = None,
    results: Results = RUNS,
    reports: Reports = REPORTS,
) -> None:
    """Run what a suite still lacks on this machine, then write its report."""
    from zigbench.cli.render import relative, show_run
    from zigbench.launch import describe, launch_local

    folder = writable(results)
    chosen, planned = make_plan(suite, profile, only, set_, retry, results)
    out.print(f"[bold]{chosen.name}[/] asks: {chosen.question}")
    statuses: dict[str, str] = {}
    if planned.todo:
        out.print(f"{describe(planned.items)}; running {len(planned.todo)} on this machine.")
        statuses = show_run(planned, launch_local(planned, None, folder, workers=workers), out)
    else:
        out.print(f"{describe(planned.items)}; nothing left to do.")
    page = write_report(chosen, [item.cell for item in planned.items], results, reports)
    out.print(f"report: [bold]{relative(page)}[/] (open it in a browser)")
    others = sum(item.state in ("running", "pending", "foreign") for item in planned.items)
    elsewhere = others + list(statuses.values()).count("busy")
    if elsewhere:
        follow = command(asked, "status", "--watch")
        out.print(f"{elsewhere} runs are another process's or wait for theirs; `{follow}` follows them.", markup=False)
    ended = {item.folder.id: statuses.get(item.folder.id, item.state) for item in planned.items}
    # What does not fit is a result where memory is what is asked for.
    timed = {item.folder.id for item in planned.items if item.cell.spec.task == "efficiency"}
    bad = [state for run, state in ended.items() if state in BAD and not (state == "oom" and run in timed)]
    if bad:
        states = sorted(set(bad) - {"error"}) or ["failed"]
        again = escape(command(asked, "run", *retries(states)))
        err.print(f"[red]{len(bad)} runs have no result[/]; see the report, and `{again}`.")
        raise typer.Exit(1)


def retries(states: Sequence[str]) -> Iterator[str]:
    """The words that ask for runs in these states again."""
    for state in states:
        yield from ("--retry", state)


BAD = ("failed", "oom", "diverged", "timeout", "damaged", "error")
