"""Launches that return at once: a plan's missing runs are submitted to SLURM, or to a process in the background."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from zigbench.launch import slurm, slurm_status
from zigbench.launch.clusters import Cluster
from zigbench.launch.job_notes import Job, adopt, current_user, exclusive, new_token
from zigbench.launch.jobs import states
from zigbench.launch.local import run_submitted
from zigbench.launch.needs import stages
from zigbench.launch.plan import Item, Plan, by_resources
from zigbench.launch.snapshots import take_snapshot
from zigbench.records.environment import environment
from zigbench.records.folder import RunFolder
from zigbench.records.lock import RunLock
from zigbench.records.plugins import remember
from zigbench.runs.process import Options, RunOptions, command
from zigbench.spec import Resources
from zigbench.spec.errors import MachineError
from zigbench.spec.files import new_folder, write_atomically
from zigbench.spec.registry import PLUGINS_VARIABLE

ORDER = "order.json"
"""Name of the file in a background launch's folder with the runs that it does."""


@dataclass(frozen=True)
class Submitted:
    """The jobs that a launch has submitted, and the number of their runs."""

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
    """Submit a plan's missing runs: one array per class of resources.

    Args:
        plan: the runs that are to be recorded; without those that another launch has submitted since.
        cluster: profile of the site.
        root: results folder, on a file system that the nodes share.
        name: of the jobs in the queue begins with it.
        max_parallel: jobs of an array that run at a time.
        frozen: run a copy of the present code and plug-ins, which later edits do not change.

    Raises:
        UnreachableError: SLURM does not answer.
        UnansweredError: SLURM may have some of the jobs; the next command that reads the runs' states finds them.
        ValueError: SLURM refuses, or there is none.
        OSError: the results folder can't be written.
    """
    folder = (root.parent / "jobs").resolve()
    plugins = os.environ.get(PLUGINS_VARIABLE, "")
    snapshot = take_snapshot(root.parent / "snapshots", plugins) if frozen else None
    site = slurm_status.site()
    submitted: list[str] = []
    runs = 0
    with exclusive(root):
        for resources, after, missing in _arrays(_still_missing(plan), root):
            for start in range(0, len(missing), cluster.max_array):
                items = missing[start : start + cluster.max_array]
                token, now = new_token(name), time.time()
                jobs = [Job("slurm", "", folder, site=site, token=token, task=i, time=now) for i in range(len(items))]
                options = [
                    RunOptions(
                        run=item.folder.path.resolve(),
                        cpus=resources.cpus,
                        plugins=snapshot.plugins if snapshot else plugins,
                        token=token,
                    )
                    for item in items
                ]
                setup = snapshot.setup_lines if snapshot else ()
                with _restored_on_failure(items, plan.retry):
                    # Before SLURM has the jobs: if this process is killed, the next one finds them by the token.
                    _note(items, jobs, durable=True)
                    array = slurm.submit(
                        options, resources, cluster, folder, name=token, setup=setup, max_parallel=max_parallel,
                        after=after,
                    )  # fmt: skip
                _note(items, [job.with_id(array) for job in jobs])
                submitted.append(array)
                runs += len(items)
    remember(root)  # At the end: a launch that is refused leaves the folder as it was.
    return Submitted(tuple(submitted), runs)


def launch_background(plan: Plan, root: Path, *, workers: int | None = None) -> Submitted:
    """Start a process in the background that does a plan's missing runs on this machine and outlives this process.

    When this returns, the process holds the lock of its folder, by which other commands see that it is alive. It does
    one class of resources after the other.

    Args:
        plan: the runs that are to be recorded; without those that another launch has submitted since.
        root: results folder.
        workers: runs at a time; None for as many as cores, memory and GPUs allow.

    Raises:
        MachineError: the process does not start.
        OSError: the results folder can't be written.
    """
    with exclusive(root):
        items = _still_missing(plan)
        if not items:
            return Submitted()
        jobs = root.parent / "jobs"
        jobs.mkdir(parents=True, exist_ok=True)
        folder = new_folder(jobs, "local-").resolve()
        with _restored_on_failure(items, plan.retry):
            # Before the process starts, which skips a run without this note as cancelled.
            _note(items, [Job("local", folder.name, folder)] * len(items))
            order = [
                {
                    "resources": resources.model_dump(),
                    "runs": [item.folder.id for item in missing],
                    "needs": {item.folder.id: item.cell.spec.needs for item in missing if item.cell.spec.needs},
                }
                for stage in stages(items)
                for resources, missing in by_resources(stage).items()
            ]
            content = json.dumps({"root": str(root.resolve()), "classes": order, "workers": workers})
            write_atomically(folder / ORDER, content.encode(), durable=False)
            _start(folder)
    remember(root)
    return Submitted((folder.name,), len(items))


class BackgroundOptions(Options):
    """The options of a background launch: its folder, which holds the order of its runs."""

    folder: Path


def _start(folder: Path) -> None:
    """Start a background launch and wait until it holds its folder.

    Raises:
        MachineError: it did not start; its output is quoted.
    """
    with (folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(
            command("zigbench.launch", BackgroundOptions(folder=folder).line),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    assert process.stdout is not None
    with process.stdout:
        if not process.stdout.readline():
            text = (folder / "output.txt").read_text(errors="replace")
            raise MachineError(f"the launch in the background did not start:\n{text}")


def run_background(options: BackgroundOptions) -> None:
    """Do the runs of a background launch in this process, and print each event as a line of JSON."""
    folder = options.folder
    order = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    root = Path(order["root"])
    with RunLock(folder, subject="this launch").hold():
        # The process that started this one waits for a line; then the pipe is closed.
        os.write(1, b"ready\n")
        os.dup2(2, 1)
        for each in order["classes"]:
            for event in run_submitted(
                [RunFolder(root / run) for run in each["runs"]],
                Resources(**each["resources"]),
                root,
                workers=order["workers"],
                needs=each["needs"],
                is_wanted=lambda run: (job := Job.read(run)) is not None and job.id == folder.name,
            ):
                sys.stderr.write(json.dumps(asdict(event)) + "\n")


def _arrays(items: Sequence[Item], root: Path) -> Iterator[tuple[Resources, tuple[str, ...], list[Item]]]:
    """Yield runs that one array can do: their resources, the jobs that must end well before they begin, and the runs.

    A run whose needs neither are done nor have a job is left out: another launch does them on this machine. The jobs of
    earlier arrays are read when a later one is yielded, so each must be submitted before the next is taken.
    """
    for stage in stages(items):
        for resources, alike in by_resources(stage).items():
            by_jobs: dict[tuple[str, ...], list[Item]] = {}
            for item in alike:
                waiting = [need for need in item.cell.spec.needs if RunFolder(root / need).state() != "ok"]
                jobs = [Job.read(RunFolder(root / need)) for need in waiting]
                ids = tuple(job.id for job in jobs if job is not None and job.cluster == "slurm" and job.id)
                if len(ids) == len(waiting):
                    by_jobs.setdefault(ids, []).append(item)
            for ids, runs in by_jobs.items():
                yield resources, ids, runs


def _still_missing(plan: Plan) -> list[Item]:
    """Return the plan's missing runs, less those that were submitted after it was made."""
    adopt([item.folder for item in plan.items])
    for item in plan.todo:
        if item.unsound:  # Its job may still wait, and needs the spec.
            item.folder.submit(item.cell.spec)
    now = states([item.folder for item in plan.todo])
    return [item for item, state in zip(plan.todo, now, strict=True) if state in (item.state, "submitted")]


@contextmanager
def _restored_on_failure(items: Sequence[Item], retry: frozenset[str]) -> Iterator[None]:
    """Write the specs of runs that are submitted within the block; a refusal there leaves every folder as before."""
    before = [{path: path.read_bytes() for path in _files(item.folder) if path.exists()} for item in items]
    try:
        for item in items:
            item.folder.submit(item.cell.spec)
            if item.state in retry:
                item.folder.forget()
        yield
    except slurm.UnansweredError:
        raise  # SLURM may have the jobs: the runs keep their token.
    except Exception:
        for item, content in zip(items, before, strict=True):
            if item.folder.holder():
                continue  # Another process has begun it meanwhile.
            for path in _files(item.folder):
                if path in content:
                    write_atomically(path, content[path], durable=False)
                else:
                    path.unlink(missing_ok=True)
            if not content:
                with suppress(OSError):  # It holds files of an earlier start of the run.
                    item.folder.path.rmdir()
        raise


def _files(folder: RunFolder) -> tuple[Path, ...]:
    """Return the files that a submission may write or remove."""
    return folder.spec, folder.job, folder.job_ends, folder.record


def _note(items: Sequence[Item], jobs: Sequence[Job], *, durable: bool = False) -> None:
    """Note the job of each run in its folder, with its user and the code that it is submitted with."""
    user, code = current_user(), environment()["code"]
    for item, job in zip(items, jobs, strict=True):
        replace(job, user=user, code=code).write(item.folder, durable=durable)
