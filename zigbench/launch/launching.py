"""Launch a plan where it can wait for its turn, and return at once."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zigbench.claim import SILENCE, BusyError, Claims
from zigbench.launch import background, slurm, snapshot
from zigbench.launch.clusters import Cluster
from zigbench.launch.job import Job
from zigbench.launch.planning import Item, Plan
from zigbench.launch.reconcile import states
from zigbench.record import environment, write_atomically
from zigbench.registry import PLUGINS_VARIABLE
from zigbench.spec import Resources


@dataclass(frozen=True)
class Submitted:
    """What a launch has sent off: the jobs, and how many runs they do."""

    jobs: tuple[str, ...] = ()
    runs: int = 0


def launch_slurm(
    plan: Plan,
    cluster: Cluster,
    root: Path,
    *,
    name: str,
    max_parallel: int | None = None,
    frozen: bool = False,
) -> Submitted:
    """Submit what the plan lacks: an array for each class of resources.

    Args:
        plan: what is wanted; what another launch has submitted since is left to it.
        cluster: profile of the site.
        root: results folder, on a file system that the nodes share.
        name: of the jobs, in the queue.
        max_parallel: jobs of an array that run at a time.
        frozen: run a copy of the code as it is now, which later edits do not reach.

    Raises:
        ValueError: SLURM refuses, or there is none.
        OSError: the results folder can't be written.
    """

    def send(items: Sequence[Item], resources: Resources) -> list[str]:
        calls = [Job(item.folder.path.resolve(), resources.cpus, plugins) for item in items]
        jobs = slurm.submit(calls, resources, cluster, folder, name=name, setup=setup, max_parallel=max_parallel)
        _note(items, "slurm", jobs, folder)
        return jobs

    plugins = os.environ.get(PLUGINS_VARIABLE, "")
    folder = (root.parent / "jobs").resolve()
    setup = snapshot.setup_lines(snapshot.take(root.parent / "snapshots")) if frozen else ()
    return _launch(plan, root, send)


def launch_background(plan: Plan, root: Path, *, workers: int | None = None) -> Submitted:
    """Have what the plan lacks done on this machine by a process that outlives this one.

    Args:
        plan: what is wanted; what another launch has submitted since is left to it.
        root: results folder.
        workers: runs at a time; None for what cores and memory allow.

    Raises:
        OSError: the results folder can't be written.
    """

    def send(items: Sequence[Item], resources: Resources) -> list[str]:
        folder = background.new_folder(root.parent / "jobs")
        # First, since what has no such file counts as cancelled.
        _note(items, "local", [folder.name] * len(items), folder)
        background.start(folder, root, [item.folder.id for item in items], resources, workers)
        return [folder.name]

    return _launch(plan, root, send)


def _launch(plan: Plan, root: Path, send: Callable[[Sequence[Item], Resources], list[str]]) -> Submitted:
    if not plan.todo:
        return Submitted()
    jobs: list[str] = []
    runs = 0
    with _alone(root):
        for resources, asked in plan.classes().items():
            # The plan was made before this launch had its turn: what another has submitted since is not missing.
            now = states([item.folder for item in asked])
            items = [i for i, state in zip(asked, now, strict=True) if state == i.state or state == "submitted"]
            if not items:
                continue
            for item in items:
                item.folder.submit(item.cell.spec)
                if item.state in plan.retry:
                    item.folder.forget()
            jobs += dict.fromkeys(job.partition("_")[0] for job in send(items, resources))
            runs += len(items)
    return Submitted(tuple(jobs), runs)


def _note(items: Sequence[Item], cluster: str, jobs: Sequence[str], folder: Path) -> None:
    """Write down in each run's folder which job does it, and with what code it was submitted."""
    code = environment()["code"]
    for item, job in zip(items, jobs, strict=True):
        said = {"cluster": cluster, "job": job, "folder": str(folder), "code": code}
        write_atomically(item.folder.job, (json.dumps(said) + "\n").encode(), durable=False)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One launch at a time in a results folder; another waits for its turn.

    Raises:
        BusyError: the other does not come to an end.
    """
    root.mkdir(parents=True, exist_ok=True)
    claims = Claims(root, stem=".launch", what=str(root))
    deadline = time.monotonic() + 3 * SILENCE
    while True:
        turn = claims.held()
        try:
            turn.__enter__()
            break
        except BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    try:
        yield
    finally:
        turn.__exit__(None, None, None)
