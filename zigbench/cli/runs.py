"""Commands that plan runs and do them here: plan, run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from zigbench.cli.options import (
    REPORTS,
    RUNS,
    Arm,
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
from zigbench.cli.planning import (
    blocked_runs,
    cells_of_page,
    command,
    make_plan,
    missing_weights,
    refuse_missing_weights,
    refuse_unlike_data,
    write_report,
)
from zigbench.cli.render import classes_table, differences_lines, relative, show_run
from zigbench.cli.status import StateTable
from zigbench.launch import RETRIABLE, Event, Plan, describe, launch_local
from zigbench.launch.estimate import ASSUMED
from zigbench.suite import Suite

NO_RESULT = ("failed", "oom", "diverged", "timeout", "damaged", "error", "blocked")
"""States of runs that ended without a result."""


@app.command()
def plan(
    context: typer.Context,
    suite: SuiteName,
    profile: Profile = None,
    arm: Arm = None,
    only: Only = None,
    set_: Set = None,
    retry: Retry = None,
    results: Results = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="paper|release", help="Show each key that differs from the published settings, with the source."
        ),
    ] = None,
) -> None:
    """Show the runs of a suite and their states, or how their settings differ from the published ones."""
    from zigbench.data.config import missing  # numpy

    chosen, planned = make_plan(suite, profile, only, set_, retry, results, arm)
    if against is not None:
        out.print(f"[bold]{chosen.name}[/] asks: {chosen.question}\n")
        for line in differences_lines(chosen, planned, against):
            out.print(line, markup=False)
        return
    refuse_unlike_data(planned)
    if as_json:
        sys.stdout.write(json.dumps({"suite": chosen.name, **planned.to_json()}, indent=1) + "\n")
        return
    out.print(f"[bold]{chosen.name}[/] asks: {chosen.question}\n")
    out.print(StateTable(planned.items))
    todo = command(context, "run", *retries(retry or ()))
    out.print(f"\n{describe(planned.items)}; `{todo}` would run {len(planned.todo)}.", markup=False)
    if planned.todo:
        out.print(classes_table(planned))
    if (estimate := planned.estimated_gpu_hours) is not None:
        out.print(f"about {estimate:,.0f} GPU-hours of training and sampling: {ASSUMED}.", markup=False)
    absent = [missing(item.cell.spec.data.config) for item in planned.todo]
    for sentence in dict.fromkeys([*missing_weights(chosen, planned), *blocked_runs(chosen, planned), *absent]):
        if sentence:
            out.print(f"\n{sentence}", markup=False)


@app.command()
def run(
    context: typer.Context,
    suite: SuiteName,
    profile: Profile = None,
    arm: Arm = None,
    only: Only = None,
    set_: Set = None,
    retry: Retry = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time; by default what cores and memory allow.")
    ] = None,
    results: Results = RUNS,
    reports: Reports = REPORTS,
) -> None:
    """Do a suite's missing runs on this machine, then write its report."""
    folder = writable(results)
    chosen, planned = make_plan(suite, profile, only, set_, retry, results, arm)
    refuse_unlike_data(planned)
    refuse_missing_weights(chosen, planned)
    out.print(f"[bold]{chosen.name}[/] asks: {chosen.question}")
    cells = cells_of_page(chosen, planned, only, set_)
    statuses: dict[str, str] = {}
    if planned.todo:
        out.print(f"{describe(planned.items)}; running {len(planned.todo)} on this machine.")
        for sentence in blocked_runs(chosen, planned):
            out.print(sentence, markup=False)
        pages = partial(write_report, chosen, cells, results, reports)
        events = with_early_pages(chosen, planned, launch_local(planned, None, folder, workers=workers), pages)
        statuses = show_run(planned, events, out)
    else:
        out.print(f"{describe(planned.items)}; nothing is left to do.")
    page = write_report(chosen, cells, results, reports)
    out.print(f"report: [bold]{relative(page)}[/] (open it in a browser)")
    others = sum(item.state in ("running", "pending", "foreign") for item in planned.items)
    others += list(statuses.values()).count("busy")
    if others:
        follow = command(context, "status", "--watch")
        out.print(f"{others} runs are done by other processes or wait for them; `{follow}` follows them.", markup=False)
    ended = {item.folder.id: statuses.get(item.folder.id, item.shown) for item in planned.items}
    # A network that does not fit into memory is a result of a run that measures memory.
    timed = {item.folder.id for item in planned.items if item.cell.spec.task == "efficiency"}
    bad = [state for run, state in ended.items() if state in NO_RESULT and not (state == "oom" and run in timed)]
    if bad:
        states = sorted(set(bad) & set(RETRIABLE)) or ["failed"]
        again = escape(command(context, "run", *retries(states)))
        err.print(f"[red]{len(bad)} runs have no result[/]; see the report, and `{again}`.")
        raise typer.Exit(1)


def with_early_pages(
    suite: Suite, planned: Plan, events: Iterable[Event], write_page: Callable[[], Path]
) -> Iterator[Event]:
    """Yield the events of a launch, and write the suite's page when the runs of another seed are all done.

    Only where seeds are done one after the other; after the last seed the page is left to the caller.

    Args:
        suite: of the runs.
        planned: the runs.
        events: of their launch.
        write_page: writes the page and returns its path.
    """
    waiting: dict[str, set[str]] = {}
    if suite.order[:1] == ("seed",):
        for item in planned.todo:
            waiting.setdefault(item.cell.labels["seed"], set()).add(item.folder.id)
    for event in events:
        yield event
        if event.kind != "finished":
            continue
        for seed, runs in list(waiting.items()):
            runs.discard(event.run)
            if not runs:
                del waiting[seed]
                if waiting:
                    page = relative(write_page())
                    out.print(f"seed {seed} of all arms is done; the page so far: [bold]{page}[/]")


def retries(states: Sequence[str]) -> Iterator[str]:
    """Yield the options that retry runs in these states."""
    for state in states:
        yield from ("--retry", state)
