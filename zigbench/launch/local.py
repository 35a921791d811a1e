"""Runs in worker processes of this machine, as many at a time as its cores, memory and GPUs allow."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from zigbench import host_memory
from zigbench.launch.needs import stages
from zigbench.launch.plan import Plan, by_resources
from zigbench.launch.retry import JobEnd, should_retry
from zigbench.records.folder import RunFolder, unmet
from zigbench.records.plugins import remember
from zigbench.runs.process import WorkerOptions, command, describe_exit
from zigbench.spec import Resources
from zigbench.spec.errors import MachineError

VISIBLE = "CUDA_VISIBLE_DEVICES"

PATIENCE = 30.0
"""Seconds that the GPUs' driver has to answer; it takes a few to start where no process uses it."""


@dataclass(frozen=True)
class Event:
    """A change in a launch: a run "started", "finished" (with its status) or was "lost" and waits again."""

    kind: str
    run: str = ""
    status: str = ""
    seconds: float = 0.0
    error: str = ""


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that a process started from here sees, by their names in ``CUDA_VISIBLE_DEVICES``.

    The driver's program lists them, not torch.
    """
    chosen = os.environ.get(VISIBLE)
    if chosen is not None:
        return tuple(name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1"))
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        done = subprocess.run(
            [program, "--list-gpus"],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(str(i) for i in range(sum(line.startswith("GPU ") for line in done.stdout.splitlines())))


def share_gpus(devices: Sequence[str], gpus: int, worker: int) -> tuple[str, ...]:
    """Return the devices of one worker: no two workers share one while there are enough.

    Args:
        devices: of the machine.
        gpus: number that a run requests; if there are fewer, a worker gets all of them.
        worker: number of the worker, from 0; those beyond the last share begin again with the first.
    """
    first = worker % max(1, len(devices) // gpus) * gpus if gpus else 0
    return tuple(devices[first : first + gpus])


def available_workers(resources: Resources, runs: int) -> int:
    """Return how many runs fit on this machine at once, by cores, free memory and GPUs; 1 for an exclusive run.

    On a machine without GPUs, runs that request some are computed without.
    """
    if resources.exclusive:
        return 1
    devices = visible_gpus() if resources.gpus else ()
    by_devices = len(devices) // resources.gpus if devices else runs
    by_cores = host_memory.available_cores() // (resources.cpus * resources.processes)
    by_memory = int(host_memory.available_bytes() / 2**30 / resources.memory_gb)
    return max(1, min(by_cores, by_memory, by_devices, runs))


def launch_local(plan: Plan, resources: Resources | None, root: Path, *, workers: int | None = None) -> Iterator[Event]:
    """Do a plan's missing runs in worker processes of this machine, and yield an event for each change.

    Where a run has several tasks, as many processes do it together. A worker that dies (killed, out of memory) does no
    harm to its run: a new worker resumes the run from its checkpoint; a run that is lost again at the same checkpoint
    is recorded as failed. Closing the iterator stops the workers at once; no file is left incomplete.

    Args:
        plan: the runs that are to be recorded.
        resources: what a run may use; None for the resources of each cell.
        root: results folder.
        workers: runs at a time; None for as many as cores, memory and GPUs allow.

    Raises:
        OSError: the results folder can't be written.
        MachineError: workers die before they take a run (a broken installation); their output is quoted.
    """
    remember(root)
    for item in plan.todo:
        item.folder.submit(item.cell.spec)
        if item.state in plan.retry:
            item.folder.forget()
    needs = {item.folder.id: item.cell.spec.needs for item in plan.todo}
    for stage in stages(plan.todo):
        for each, items in ({resources: stage} if resources else by_resources(stage)).items():
            yield from run_submitted([item.folder for item in items], each, root, workers=workers, needs=needs)


def run_submitted(
    folders: Sequence[RunFolder],
    resources: Resources,
    root: Path,
    *,
    workers: int | None = None,
    needs: Mapping[str, Sequence[str]] | None = None,
    is_wanted: Callable[[RunFolder], bool] = lambda folder: True,
) -> Iterator[Event]:
    """Do submitted runs in worker processes; as :func:`launch_local`, which submits them first.

    Args:
        folders: of the runs.
        needs: ids of the runs that each needs; one whose needs are not met is "blocked", and stays without a record.
        is_wanted: called before a run is begun and when it is lost; a run that is no longer wanted is skipped.
    """
    waiting = deque(folders)
    if not waiting:
        return
    available = available_workers(resources, len(waiting))
    count = available if resources.exclusive else workers or available
    limit = 3600 * resources.hours if resources.exclusive else None
    devices = visible_gpus() if resources.gpus else ()
    pool = _Pool(root, resources, min(count, len(waiting)), devices, limit)
    try:
        while waiting or pool.busy:
            message = pool.next()
            if message.ready:
                while waiting:
                    if not is_wanted(waiting[0]):
                        waiting.popleft()
                    elif problem := unmet((needs or {}).get(waiting[0].id, ()), root):
                        yield Event("finished", waiting.popleft().id, "blocked", error=problem)
                    else:
                        break
                if waiting:
                    pool.send(message.worker, waiting[0])
                    yield Event("started", waiting.popleft().id)
                else:
                    pool.stop(message.worker)
                continue
            folder = message.folder
            if folder is None:
                raise MachineError(f"a worker died before it took a run:\n{message.text}")
            if message.run_died:
                if not is_wanted(folder) or should_retry(folder, JobEnd("failed", message.text, "this machine")):
                    waiting.appendleft(folder)
                    yield Event("lost", folder.id, error=message.text)
                else:
                    yield Event("finished", folder.id, "failed", error=message.text)
                if message.worker_died:
                    pool.start(message.worker)
                continue
            yield Event("finished", folder.id, message.status, message.seconds, message.text)
    finally:
        pool.close()


@dataclass(frozen=True)
class _Message:
    """A message of a worker: it is ready for a run, it finished one, or the run's process or the worker died."""

    worker: int
    ready: bool = False
    folder: RunFolder | None = None
    status: str = ""
    seconds: float = 0.0
    text: str = ""
    run_died: bool = False
    worker_died: bool = False


@dataclass
class _Pool:
    """Worker processes by number, each with at most one run."""

    root: Path
    resources: Resources
    count: int
    devices: tuple[str, ...] = ()
    limit: float | None = None
    processes: dict[int, subprocess.Popen[str]] = field(default_factory=dict)
    runs: dict[int, RunFolder] = field(default_factory=dict)
    messages: queue.SimpleQueue[tuple[int, subprocess.Popen[str], str]] = field(default_factory=queue.SimpleQueue)
    pending: deque[_Message] = field(default_factory=deque)

    def __post_init__(self) -> None:
        for worker in range(self.count):
            self.start(worker)

    @property
    def busy(self) -> bool:
        return bool(self.runs) or bool(self.pending)

    def start(self, worker: int) -> None:
        limits = self.resources
        options = WorkerOptions(
            results=self.root.resolve(),
            cpus=limits.cpus,
            ranks=limits.tasks or 0,
            gpus=limits.gpus,
            limit=self.limit,
        )
        devices = share_gpus(self.devices, limits.gpus, worker)
        # A session of its own: an interrupt at the terminal reaches only this process, which then closes the pipes.
        process = subprocess.Popen(
            command("zigbench.runs.worker", options.line),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="surrogateescape",
            env={**os.environ, **({VISIBLE: ",".join(devices)} if devices else {})},
            start_new_session=True,
        )
        self.processes[worker] = process
        assert process.stdout is not None
        threading.Thread(target=self._listen, args=(worker, process, process.stdout), daemon=True).start()

    def _listen(self, worker: int, process: subprocess.Popen[str], stream: IO[str]) -> None:
        for line in stream:
            self.messages.put((worker, process, line))
        self.messages.put((worker, process, ""))

    def send(self, worker: int, folder: RunFolder) -> None:
        self.runs[worker] = folder
        stdin = self.processes[worker].stdin
        assert stdin is not None
        try:
            stdin.write(folder.id + "\n")
            stdin.flush()
        except BrokenPipeError:
            pass  # It died at this moment; its end is the next message.

    def stop(self, worker: int) -> None:
        process = self.processes.pop(worker)
        assert process.stdin is not None
        process.stdin.close()
        process.wait()

    def next(self) -> _Message:
        """Return the next message; waits for it."""
        if self.pending:
            return self.pending.popleft()
        while True:
            worker, process, line = self.messages.get()
            if self.processes.get(worker) is not process:
                continue  # Of a worker that was stopped or replaced.
            if not line:
                return self._worker_died(worker, process)
            answer: dict[str, Any] = json.loads(line)
            if "ready" in answer:
                return _Message(worker, ready=True)
            self.pending.append(_Message(worker, ready=True))
            folder = self.runs.pop(worker)
            return _Message(
                worker,
                folder=folder,
                status=answer["status"],
                seconds=answer["seconds"],
                text=answer.get("error", ""),
                run_died=answer["status"] == "died",
            )

    def _worker_died(self, worker: int, process: subprocess.Popen[str]) -> _Message:
        text = f"the worker process {describe_exit(process.wait())}"
        assert process.stderr is not None
        folder = self.runs.pop(worker, None)
        if folder is None:
            text += f"\n{process.stderr.read()}"
        return _Message(worker, folder=folder, text=text, run_died=True, worker_died=True)

    def close(self) -> None:
        for worker in list(self.processes):
            self.stop(worker)
