"""A process that executes runs: one after another for a launcher on this machine, or a single one for a scheduler.

``python -m zigbench.runs.worker RESULTS CPUS TASKS GPUS [LIMIT]`` reads run ids from standard input, a line each, and
answers on standard output with a line of JSON for each run done. When its input closes, as it does when whoever started
it is gone, it stops at once, in the midst of a run if need be: everything a run leaves is written atomically, and the
next one to take the run resumes it.

Where there are to be several tasks, so many processes do each run together; for TASKS 0 it is one a GPU, of those that
are here and at most GPUS. With a limit of so many seconds, each run is done in a process of its own that is forked from
this one, which has imported everything and computed nothing; one that takes longer is ended and recorded.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from zigbench import host_memory
from zigbench.preemption import EXIT_REQUEUE, Preempted, PreemptionSignal
from zigbench.records.folder import RunFolder
from zigbench.records.lock import HEARTBEAT, SILENCE, BusyError
from zigbench.runs.isolation import ForkedRunner
from zigbench.runs.local_ranks import assisted

LAZY = ("torch._dynamo", "torch.utils.flop_counter")
"""What torch imports when it is first needed, which takes a second: imported once, before runs are forked."""


def main(root: Path, cpus: int, tasks: int, gpus: int, limit: float | None = None) -> None:
    """Serve until the input closes."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    runs: SimpleQueue[str] = SimpleQueue()
    apart = None if limit is None else ForkedRunner(limit)

    def listen() -> None:
        for line in sys.stdin:
            runs.put(line.strip())
        if apart is not None:
            apart.kill()
        os._exit(0)

    threading.Thread(target=listen, name="listen", daemon=True).start()

    _import_torch(cpus)
    from zigbench.runs.execute import execute

    together = tasks or _at_most_one_a_gpu(gpus)
    if apart is not None:
        for name in LAZY:
            importlib.import_module(name)
        if gpus:
            digest_triton()

    def do(folder: RunFolder) -> dict[str, str]:
        try:
            with assisted(folder.path, cpus, together):
                return {"status": execute(folder, cache=root.parent / "cache").status}
        except BusyError as error:
            return {"status": "busy", "error": str(error)}
        except (OSError, ValueError) as error:
            # No record could be written (a full disk, a damaged spec): the one who asked must hear of it.
            return {"status": "error", "error": f"{type(error).__name__}: {error}"}

    answers.write(json.dumps({"ready": os.getpid()}) + "\n")
    while True:
        folder = RunFolder(root / runs.get())
        begun = time.monotonic()
        _print_into(folder.output)
        answer = do(folder) if apart is None else apart.do(folder, do)
        answers.write(json.dumps({"run": folder.id, "seconds": time.monotonic() - begun, **answer}) + "\n")


def do_one(path: Path, cpus: int) -> int:
    """Do one run for a scheduler that may want the machine back at any time; the exit code for the task.

    Where several tasks were started they do the run together, and the first one answers for it: the others
    say what went wrong with them in the run's output and end with 0, unless they are killed.
    """
    leave = PreemptionSignal()
    leave.listen()
    folder = RunFolder(path)
    if folder.record.exists():
        return 0
    screen = os.fdopen(os.dup(2), "w", buffering=1)
    _print_into(folder.output)
    together = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1
    assisting = int(os.environ.get("RANK") or (os.environ["SLURM_PROCID"] if together else "0")) > 0
    try:
        _import_torch(cpus)
        from zigbench.runs.execute import assist, execute

        cache = path.parents[1] / "cache"
        if assisting:
            assist(folder, cache=cache, leave=leave)
        else:
            _when_free(lambda: execute(folder, cache=cache, leave=leave), leave)
    except Preempted:
        return 0 if assisting else EXIT_REQUEUE
    except Exception as error:
        traceback.print_exc()
        screen.write(f"run {folder.id}: {type(error).__name__}: {error}\n")
        return 0 if assisting else 1
    return 0


def _when_free(execute: Callable[[], object], leave: PreemptionSignal) -> None:
    """Execute, waiting for a claim on the run to go stale; a claim that does not is somebody's who sees to the run."""
    deadline = time.monotonic() + SILENCE + 2 * HEARTBEAT
    while True:
        try:
            execute()
            return
        except BusyError as error:
            if time.monotonic() > deadline:
                sys.stderr.write(f"{error}; nothing is left to do here\n")
                return
        if leave():
            raise Preempted
        time.sleep(1.0)


def _import_torch(cpus: int) -> None:
    # The thread counts must stand before torch and numba are imported.
    os.environ.setdefault("OMP_NUM_THREADS", str(cpus))
    os.environ.setdefault("NUMBA_NUM_THREADS", str(cpus))
    import torch

    torch.set_num_threads(cpus)
    host_memory.keep_freed()


def digest_triton() -> None:
    """Let Triton digest its own library, part of every compiled kernel's name; no device is touched.

    It takes a second, and each run forked from here would do it again.
    """
    with contextlib.suppress(ImportError):  # There is no Triton, or one that does this elsewhere: then runs do it.
        from triton.runtime.cache import triton_key

        triton_key()


def _at_most_one_a_gpu(gpus: int) -> int:
    if gpus < 2:
        # Not even counted: where torch has to ask CUDA for their number, no process forked from this one may use them.
        return 1
    import torch

    return max(1, min(gpus, torch.cuda.device_count()))


def _print_into(path: Path) -> None:
    """Send this process's output, that of libraries below Python included, into the run's own file."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), *map(float, sys.argv[5:]))
