"""Commands that send runs off, follow them and call them off: launch, status, logs, cancel."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import RenderableType

from zigbench.cli.options import RUNS, Only, Profile, Results, Retry, Set, SuiteName, app, out, writable
from zigbench.cli.planning import command, make_plan
from zigbench.records.sources import Sources


class Where(StrEnum):
    """Where `zigbench launch` sends runs."""

    slurm = "slurm"
    local = "local"


RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of one.")]


@app.command()
def launch(
    asked: typer.Context,
    suite: SuiteName,
    on: Annotated[Where, typer.Option(help="SLURM, or this machine in the background.")],
    profile: Profile = None,
    only: Only = None,
    set_: Set = None,
    retry: Retry = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="NAME", help="Profile of the cluster, from clusters.toml.")
    ] = None,
    partition: Annotated[str | None, typer.Option(help="Partition, instead of the profile's.")] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs a node.")] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="Nodes that train a run together.")] = None,
    hours: Annotated[float | None, typer.Option(help="Time a job asks for; longer runs go on in the next.")] = None,
    max_parallel: Annotated[int | None, typer.Option(min=1, help="Runs at a time.")] = None,
    snapshot: Annotated[
        bool, typer.Option(help="Run a copy of the code as it is now; later edits don't reach it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be submitted, and submit nothing.")] = False,
    results: Results = RUNS,
) -> None:
    """Submit what a suite still lacks and return at once. Launching again submits only what is missing then."""
    from zigbench.cli.render import classes_table
    from zigbench.launch import cluster as find_cluster
    from zigbench.launch import describe, launch_background, launch_slurm

    for_slurm = {"cluster": cluster, "partition": partition, "nodes": nodes, "snapshot": snapshot or None}
    given = [f"--{name}" for name, value in for_slurm.items() if value is not None]
    if on is Where.local and given:
        raise ValueError(f"{', '.join(given)} can't be had --on local: it is for --on slurm")
    needs = {"partition": partition, "gpus": gpus, "nodes": nodes, "hours": hours}
    # As JSON, which a setting is read as: a partition may be called 2080.
    typed = (f"resources.{key}={json.dumps(value)}" for key, value in needs.items() if value is not None)
    settings = [*(set_ or ()), *typed]
    folder = writable(results)
    chosen, planned = make_plan(suite, profile, only, settings, retry, results)
    site = find_cluster(cluster) if on is Where.slurm else None
    out.print(f"{describe(planned.items)}.")
    if dry_run or not planned.todo:
        out.print(classes_table(planned) if planned.todo else "Nothing to submit.")
        return
    if site is None:
        sent = launch_background(planned, folder, workers=max_parallel)
    else:
        sent = launch_slurm(planned, site, folder, name=chosen.name, max_parallel=max_parallel, frozen=snapshot)
    out.print(f"{sent.runs} runs submitted" + (f" as {', '.join(sent.jobs)}." if sent.jobs else "."))
    follow, call_off = command(asked, "status", "--watch"), command(asked, "cancel")
    out.print(f"`{follow}` follows them, `{call_off}` calls them off.", markup=False)


@app.command()
def status(
    suite: Annotated[
        str | None, typer.Argument(metavar="[SUITE]", help="A suite; without one, all runs by state.")
    ] = None,
    profile: Profile = None,
    only: Only = None,
    set_: Set = None,
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and show the table as it changes.")] = False,
    results: Results = RUNS,
) -> None:
    """Show how far a suite's runs are, read from their files and the queue."""
    from zigbench.cli.logs import show, suite_status, total_status

    if suite is None:
        show(lambda: total_status(results), out, watch)
    else:

        def look() -> tuple[RenderableType, bool]:
            items = make_plan(suite, profile, only, set_, None, results)[1].items
            return suite_status(items, room=out.height if watch else None)

        show(look, out, watch)


@app.command()
def logs(
    run: RunName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay until the run is done.")] = False,
    results: Results = RUNS,
) -> None:
    """Print what a run has printed and logged."""
    from zigbench.cli.logs import log_lines

    for line in log_lines(Sources.of(results).find(run), follow=follow):
        out.print(line, markup=False)


@app.command()
def cancel(
    what: Annotated[str, typer.Argument(metavar="SUITE|RUN", help="A suite, or a run's id.")],
    profile: Profile = None,
    only: Only = None,
    set_: Set = None,
    results: Results = RUNS,
) -> None:
    """Call off jobs that wait or run. Nothing recorded is lost, and a launch takes the runs up again."""
    from zigbench.launch import cancel as call_off
    from zigbench.records.folder import find, is_run

    root = writable(results)
    if is_run(root, what):
        folders = [find(root, what)]
    else:
        folders = [item.folder for item in make_plan(what, profile, only, set_, None, results)[1].items]
    gone = call_off(folders)
    out.print(f"{len(gone)} of {len(folders)} runs had a job; called off.")
    left = sum(bool(folder.read_job()) and not folder.record.exists() for folder in folders)
    if left:
        out.print(f"{left} have a job of another user or cluster, and keep it.")
