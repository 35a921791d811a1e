"""Commands that submit runs and cancel them: launch, cancel."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from zigbench.cli import completion
from zigbench.cli.options import RUNS, Arm, Only, Profile, Results, Retry, Set, SuiteName, app, out, writable
from zigbench.cli.planning import blocked_runs, command, make_plan, refuse_missing_weights, refuse_unlike_data
from zigbench.cli.render import classes_table
from zigbench.launch import cancel as cancel_jobs
from zigbench.launch import cluster as cluster_profile
from zigbench.launch import describe, launch_background, launch_slurm
from zigbench.records.folder import find, is_run


class LaunchTarget(StrEnum):
    """A target of `zigbench launch`: a cluster's SLURM, or this machine."""

    slurm = "slurm"
    local = "local"


@app.command()
def launch(
    context: typer.Context,
    suite: SuiteName,
    on: Annotated[LaunchTarget, typer.Option(help="SLURM, or this machine in the background.")],
    profile: Profile = None,
    arm: Arm = None,
    only: Only = None,
    set_: Set = None,
    retry: Retry = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="NAME", help="Profile of the cluster, from clusters.toml.")
    ] = None,
    partition: Annotated[str | None, typer.Option(help="Partition, instead of the profile's.")] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs per node.")] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="Nodes that train a run together.")] = None,
    hours: Annotated[
        float | None, typer.Option(help="Time limit of a job; a longer run resumes in the next job.")
    ] = None,
    max_parallel: Annotated[int | None, typer.Option(min=1, help="Runs at a time.")] = None,
    snapshot: Annotated[
        bool, typer.Option(help="Run a copy of the present code and plug-ins; later edits do not change it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Show what would be submitted, and submit nothing.")] = False,
    results: Results = RUNS,
) -> None:
    """Submit a suite's missing runs and return at once. A later launch submits only the runs that are missing then."""
    for_slurm = {"cluster": cluster, "partition": partition, "nodes": nodes, "snapshot": snapshot or None}
    only_slurm = [f"--{name}" for name, value in for_slurm.items() if value is not None]
    if on is LaunchTarget.local and only_slurm:
        raise ValueError(f"{', '.join(only_slurm)} cannot be used with --on local, only with --on slurm")
    needs = {"partition": partition, "gpus": gpus, "nodes": nodes, "hours": hours}
    # As JSON, as an override is read: a partition may be called 2080.
    overrides = (f"resources.{key}={json.dumps(value)}" for key, value in needs.items() if value is not None)
    folder = writable(results)
    chosen, planned = make_plan(suite, profile, only, [*(set_ or ()), *overrides], retry, results, arm)
    refuse_unlike_data(planned)
    refuse_missing_weights(chosen, planned)
    site = cluster_profile(cluster) if on is LaunchTarget.slurm else None
    out.print(f"{describe(planned.items)}.")
    for sentence in blocked_runs(chosen, planned):
        out.print(sentence, markup=False)
    if dry_run or not planned.todo:
        out.print(classes_table(planned) if planned.todo else "Nothing to submit.")
        return
    if site is None:
        submitted = launch_background(planned, folder, workers=max_parallel)
    else:
        submitted = launch_slurm(planned, site, folder, name=chosen.name, max_parallel=max_parallel, frozen=snapshot)
    out.print(f"{submitted.runs} runs submitted" + (f" as {', '.join(submitted.jobs)}." if submitted.jobs else "."))
    follow, stop = command(context, "status", "--watch"), command(context, "cancel")
    out.print(f"`{follow}` follows them, `{stop}` cancels them.", markup=False)


@app.command()
def cancel(
    what: Annotated[
        str,
        typer.Argument(metavar="SUITE|RUN", help="A suite, or a run's id.", autocompletion=completion.runs_and_suites),
    ],
    profile: Profile = None,
    arm: Arm = None,
    only: Only = None,
    set_: Set = None,
    results: Results = RUNS,
) -> None:
    """Cancel jobs that wait or run. No record is lost, and the next launch resumes the runs."""
    root = writable(results)
    if is_run(root, what):
        folders = [find(root, what)]
    else:
        folders = [item.folder for item in make_plan(what, profile, only, set_, None, results, arm)[1].items]
    cancelled = cancel_jobs(folders)
    out.print(f"cancelled the jobs of {len(cancelled)} of {len(folders)} runs.")
    foreign = sum(bool(folder.read_job()) and not folder.record.exists() for folder in folders)
    if foreign:
        out.print(f"{foreign} runs have a job of another user or cluster, which is not cancelled.")
