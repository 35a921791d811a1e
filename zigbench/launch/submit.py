"""Launch a plan where it can wait for its turn, and return at once."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from zigbench.launch import background, slurm, slurm_status, snapshot
from zigbench.launch.clusters import Cluster
from zigbench.launch.job import Job
from zigbench.launch.jobs import current_user
from zigbench.launch.plan import Item, Plan
from zigbench.launch.reconcile import states
from zigbench.records.folder import RunFolder
from zigbench.records.lock import SILENCE, BusyError, RunLock
from zigbench.records.record import environment
from zigbench.spec import Resources
from zigbench.spec.files import write_atomically
from zigbench.spec.registry import PLUGINS_VARIABLE


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
        UnreachableError: SLURM does not answer.
        ValueError: SLURM refuses, or there is none.
        OSError: the results folder can't be written.
    """
    plugins = os.environ.get(PLUGINS_VARIABLE, "")
    folder = (root.parent / "jobs").resolve()
    setup = snapshot.setup_lines(snapshot.take(root.parent / "snapshots")) if frozen else ()
    where = {"cluster": "slurm", **({"site": site} if (site := slurm_status.site()) else {})}
    sent: list[str] = []
    runs = 0
    with _alone(root):
        for resources, lacking in _lacking(plan).items():
            for start in range(0, len(lacking), cluster.max_array):
                items = lacking[start : start + cluster.max_array]
                calls = [Job(item.folder.path.resolve(), resources.cpus, plugins) for item in items]
                with _submitted(items, plan.retry):
                    jobs = slurm.submit(
                        calls, resources, cluster, folder, name=name, setup=setup, max_parallel=max_parallel
                    )
                _note(items, jobs, folder, where)
                sent += dict.fromkeys(job.partition("_")[0] for job in jobs)
                runs += len(items)
    return Submitted(tuple(sent), runs)


def launch_background(plan: Plan, root: Path, *, workers: int | None = None) -> Submitted:
    """Have what the plan lacks done on this machine by a process that outlives this one, class by class of resources.

    Args:
        plan: what is wanted; what another launch has submitted since is left to it.
        root: results folder.
        workers: runs at a time; None for what cores, memory and GPUs allow.

    Raises:
        MachineError: the process does not start.
        OSError: the results folder can't be written.
    """
    with _alone(root):
        classes = _lacking(plan)
        items = [item for lacking in classes.values() for item in lacking]
        if not items:
            return Submitted()
        folder = background.new_folder(root.parent / "jobs")
        with _submitted(items, plan.retry):
            # First, since what has no such file counts as cancelled.
            _note(items, [folder.name] * len(items), folder, {"cluster": "local"})
            background.start(folder, root, {r: [i.folder.id for i in of] for r, of in classes.items()}, workers)
    return Submitted((folder.name,), len(items))


def _lacking(plan: Plan) -> dict[Resources, list[Item]]:
    """What a launch that has its turn submits: the plan was made before, and another may have submitted some since."""
    found: dict[Resources, list[Item]] = {}
    now = states([item.folder for item in plan.todo])
    for item, state in zip(plan.todo, now, strict=True):
        if state in (item.state, "submitted"):
            found.setdefault(item.cell.resources, []).append(item)
    return found


@contextmanager
def _submitted(items: Sequence[Item], retry: frozenset[str]) -> Iterator[None]:
    """Write the specs of runs that are sent off within; a refusal leaves every folder as it was before."""
    before = [{path: path.read_bytes() for path in _files(item.folder) if path.exists()} for item in items]
    try:
        for item in items:
            item.folder.submit(item.cell.spec)
            if item.state in retry:
                item.folder.forget()
        yield
    except Exception:
        for item, kept in zip(items, before, strict=True):
            if item.folder.holder():
                continue  # Somebody has begun it meanwhile.
            for path in _files(item.folder):
                if path in kept:
                    write_atomically(path, kept[path], durable=False)
                else:
                    path.unlink(missing_ok=True)
            if not kept:
                with suppress(OSError):  # It holds what an earlier life of the run has left.
                    item.folder.path.rmdir()
        raise


def _files(folder: RunFolder) -> tuple[Path, ...]:
    """What a submission may write or remove."""
    return folder.spec, folder.job, folder.job_ends, folder.record


def _note(items: Sequence[Item], jobs: Sequence[str], folder: Path, where: Mapping[str, str]) -> None:
    """Write down in each run's folder which job does it, whose that is, and with what code it was submitted."""
    code = environment()["code"]
    for item, job in zip(items, jobs, strict=True):
        said = {**where, "user": current_user(), "job": job, "folder": str(folder), "code": code}
        write_atomically(item.folder.job, (json.dumps(said) + "\n").encode(), durable=False)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One launch at a time in a results folder; another waits for its turn.

    Raises:
        BusyError: the other does not come to an end.
    """
    root.mkdir(parents=True, exist_ok=True)
    claims = RunLock(root, stem=".launch", what=str(root))
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
