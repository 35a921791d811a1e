"""Have runs done in worker processes on this machine."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from zigbench.launch import gpus
from zigbench.launch.plan import Plan
from zigbench.launch.retry import JobEnd, should_retry
from zigbench.records.folder import RunFolder
from zigbench.spec import Resources
from zigbench.spec.errors import MachineError


@dataclass(frozen=True)
class Event:
    """Something a launch has to tell: a run "started", "finished" (with its status) or was "lost" and requeued."""

    kind: str
    run: str = ""
    status: str = ""
    seconds: float = 0.0
    error: str = ""


def available_workers(resources: Resources, runs: int) -> int:
    """How many runs this machine can hold at once, by cores, free memory and GPUs; one that is to have it alone.

    On a machine without GPUs, runs that ask for some are computed without.
    """
    if resources.exclusive:
        return 1
    devices = gpus.visible() if resources.gpus else ()
    by_devices = len(devices) // resources.gpus if devices else runs
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    by_memory = int(_free_memory_gb() / resources.memory_gb)
    return max(1, min(cores // (resources.cpus * resources.processes), by_memory, by_devices, runs))


def launch_local(plan: Plan, resources: Resources | None, root: Path, *, workers: int | None = None) -> Iterator[Event]:
    """Run what the plan lacks in worker processes on this machine, yielding an event for each thing that happens.

    Where a run is to have several tasks, so many processes do it together. A worker that dies (killed, out of memory)
    loses its run without harm: the run is resumed from its checkpoint by a new worker; when it dies again and came no
    further, it is recorded as failed. Closing the iterator stops the workers at once and leaves nothing half-written.

    Args:
        plan: what is wanted.
        resources: what a run may use; None for what each asks for.
        root: results folder.
        workers: runs at a time; None for what cores, memory and GPUs allow.

    Raises:
        OSError: the results folder can't be written.
        MachineError: workers die before they take a run (a broken installation); their output is quoted.
    """
    for item in plan.todo:
        item.folder.submit(item.cell.spec)
        if item.state in plan.retry:
            item.folder.forget()
    classes = plan.classes() if resources is None else {resources: list(plan.todo)}
    for asked, items in classes.items():
        yield from run_here([item.folder for item in items], asked, root, workers=workers)


def run_here(
    folders: Sequence[RunFolder],
    resources: Resources,
    root: Path,
    *,
    workers: int | None = None,
    wanted: Callable[[RunFolder], bool] = lambda folder: True,
) -> Iterator[Event]:
    """Do submitted runs in worker processes; as :func:`launch_local`, which submits them first.

    Args:
        wanted: asked before a run is begun and when it was lost; one that is no longer wanted is left as it is.
    """
    waiting = deque(folders)
    if not waiting:
        return
    most = available_workers(resources, len(waiting))
    count = most if resources.exclusive else workers or most
    limit = 3600 * resources.hours if resources.exclusive else None
    devices = gpus.visible() if resources.gpus else ()
    pool = _Pool(root, resources, min(count, len(waiting)), devices, limit)
    try:
        while waiting or pool.busy:
            message = pool.next()
            if message.ready:
                while waiting and not wanted(waiting[0]):
                    waiting.popleft()
                if waiting:
                    pool.send(message.worker, waiting[0])
                    yield Event("started", waiting.popleft().id)
                else:
                    pool.stop(message.worker)
                continue
            folder = message.folder
            if folder is None:
                raise MachineError(f"a worker died before it took a run:\n{message.text}")
            if message.died:
                if not wanted(folder) or should_retry(folder, JobEnd("failed", message.text, "this machine")):
                    waiting.appendleft(folder)
                    yield Event("lost", folder.id, error=message.text)
                else:
                    yield Event("finished", folder.id, "failed", error=message.text)
                if not message.lives:
                    pool.start(message.worker)
                continue
            yield Event("finished", folder.id, message.status, message.seconds, message.text)
    finally:
        pool.close()


@dataclass(frozen=True)
class _Message:
    """What came from a worker: it is ready for a run, it finished one, or it or the run's own process died."""

    worker: int
    ready: bool = False
    folder: RunFolder | None = None
    status: str = ""
    seconds: float = 0.0
    text: str = ""
    died: bool = False
    lives: bool = True


@dataclass
class _Pool:
    """Worker processes, each with at most one run; every worker is named by its number."""

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
        may = self.resources
        limits = [may.cpus, may.tasks or 0, may.gpus, *([] if self.limit is None else [self.limit])]
        mine = gpus.share(self.devices, may.gpus, worker)
        # Its own session: an interrupt at the terminal reaches this process alone, which then closes the pipes.
        process = subprocess.Popen(
            [sys.executable, "-m", "zigbench.runs.worker", str(self.root), *map(str, limits)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **({gpus.VISIBLE: ",".join(mine)} if mine else {})},
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
            pass  # It died this moment; its end of output says so.

    def stop(self, worker: int) -> None:
        process = self.processes.pop(worker)
        assert process.stdin is not None
        process.stdin.close()
        process.wait()

    def next(self) -> _Message:
        """The next message; waits for it."""
        if self.pending:
            return self.pending.popleft()
        while True:
            worker, process, line = self.messages.get()
            if self.processes.get(worker) is not process:
                continue  # The last words of a worker that was stopped or replaced.
            if not line:
                return self._death(worker, process)
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
                died=answer["status"] == "died",
            )

    def _death(self, worker: int, process: subprocess.Popen[str]) -> _Message:
        code = process.wait()
        assert process.stderr is not None
        folder = self.runs.pop(worker, None)
        what = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        if code == -signal.SIGKILL:
            what += " (the system does that when memory runs out)"
        text = f"the worker process {what}"
        if folder is None:
            text += f"\n{process.stderr.read()}"
        return _Message(worker, folder=folder, text=text, died=True, lives=False)

    def close(self) -> None:
        for worker in list(self.processes):
            self.stop(worker)


def _free_memory_gb() -> float:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) / 2**20
    except OSError:
        pass
    return float("inf")
