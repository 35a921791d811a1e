"""A process that does runs: one after another for a launch on this machine, or a single one for a scheduler.

``python -P -m zigbench.runs.worker LINE`` takes one line of JSON. With :class:`~zigbench.runs.process.WorkerOptions`
it reads run ids from standard input and answers each on standard output with a line of JSON. With
:class:`~zigbench.runs.process.RunOptions` it does one run, or one rank's part of it, and ends.

A worker that serves a launch stops at once when its input closes, as it does when the launch ends: everything that a
run writes is written atomically, and the next worker that takes the run resumes it.
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
from queue import SimpleQueue

from zigbench import host_memory
from zigbench.preemption import EXIT_MACHINE, EXIT_REQUEUE, Preempted, PreemptionSignal
from zigbench.records.folder import RunFolder
from zigbench.records.lock import HEARTBEAT, STALE_AFTER, BusyError, LostLockError
from zigbench.runs.isolation import ForkedRunner
from zigbench.runs.local_ranks import local_ranks
from zigbench.runs.process import RunOptions, WorkerOptions, has_job, read_options, slurm_job
from zigbench.spec.errors import machine_fault

LAZY = ("torch._dynamo", "torch.utils.flop_counter")
"""Modules that torch imports at first use, which takes a second: imported once, before runs are forked."""


def serve(options: WorkerOptions) -> None:
    """Do the runs whose ids come on standard input, until it closes."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    runs: SimpleQueue[str] = SimpleQueue()
    forked = None if options.limit is None else ForkedRunner(options.limit)

    def listen() -> None:
        for line in sys.stdin:
            runs.put(line.strip())
        if forked is not None:
            forked.kill()
        os._exit(0)

    threading.Thread(target=listen, name="listen", daemon=True).start()

    import_torch(options.cpus)
    from zigbench.runs.execute import BlockedError, execute

    ranks = options.ranks or _rank_count(options.gpus)
    if forked is not None:
        for name in LAZY:
            importlib.import_module(name)
        if options.gpus:
            hash_triton()

    def work(folder: RunFolder) -> dict[str, str]:
        try:
            with local_ranks(folder.path, options.cpus, ranks):
                return {"status": execute(folder, cache=options.results.parent / "cache").status}
        except BusyError as error:
            return {"status": "busy", "error": str(error)}
        except BlockedError as error:
            return {"status": "blocked", "error": str(error)}
        except (OSError, ValueError) as error:
            # No record could be written (a full disk, a damaged spec): report it to the launch.
            return {"status": "error", "error": f"{type(error).__name__}: {error}"}

    answers.write(json.dumps({"ready": os.getpid()}) + "\n")
    while True:
        folder = RunFolder(options.results / runs.get())
        begun = time.monotonic()
        _redirect_output(folder)
        answer = work(folder) if forked is None else forked.run(folder, work)
        answers.write(json.dumps({"run": folder.id, "seconds": time.monotonic() - begun, **answer}) + "\n")


def do_run(options: RunOptions) -> int:
    """Do one run, or one rank's part of it, under a scheduler that may preempt it; return the exit code.

    Rank 0 reports for the run: the others write their errors into the run's output, and end with 0 unless they are
    killed.
    """
    preempted = PreemptionSignal()
    preempted.listen()
    if options.stop_with_input:
        threading.Thread(target=_stop_with_input, name="listen", daemon=True).start()
    options.set_plugins()
    folder = RunFolder(options.run)
    if folder.record.exists():
        return 0
    if not has_job(folder, options):
        owner = folder.read_job()
        now = f"belongs to job {owner.get('job', owner.get('token'))} now" if owner else "was cancelled"
        sys.stderr.write(f"run {folder.id} {now}; job {slurm_job()} has nothing to do\n")
        return 0
    try:
        folder.check_spec()
    except (OSError, ValueError) as error:
        sys.stderr.write(f"run {folder.id}: {error}\n")
        return EXIT_MACHINE
    job_log = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    _redirect_output(folder)
    several = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1
    assisting = int(os.environ.get("RANK") or (os.environ["SLURM_PROCID"] if several else "0")) > 0
    try:
        import_torch(options.cpus)
        from zigbench.runs.execute import BlockedError, assist, execute

        cache = options.run.parents[1] / "cache"
        if assisting:
            assist(folder, cache=cache, stop_requested=preempted)
        else:
            _when_free(lambda: execute(folder, cache=cache, stop_requested=preempted), preempted)
    except Preempted:
        return 0 if assisting else EXIT_REQUEUE
    except Exception as error:
        traceback.print_exc()
        job_log.write(f"run {folder.id}: {type(error).__name__}: {error}\n")
        # A run that is blocked keeps no record, as after a fault of the machine: a later launch does it.
        later = machine_fault(error) or isinstance(error, BlockedError)
        return 0 if assisting else EXIT_MACHINE if later else 1
    return 0


def _stop_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


def _when_free(execute: Callable[[], object], preempted: PreemptionSignal) -> None:
    """Execute the run once its lock is free; a lock that stays alive belongs to another process, which does the run."""
    deadline = time.monotonic() + STALE_AFTER + 2 * HEARTBEAT
    while True:
        try:
            execute()
            return
        except LostLockError as error:
            sys.stderr.write(f"{error}\n")
            return
        except BusyError as error:
            if time.monotonic() > deadline:
                sys.stderr.write(f"{error}; this process has nothing to do\n")
                return
        if preempted():
            raise Preempted
        time.sleep(1.0)


def import_torch(cpus: int) -> None:
    """Import torch with so many threads; the variables are read when torch and numba are first imported."""
    os.environ.setdefault("OMP_NUM_THREADS", str(cpus))
    os.environ.setdefault("NUMBA_NUM_THREADS", str(cpus))
    import torch

    torch.set_num_threads(cpus)
    host_memory.keep_freed()


def hash_triton() -> None:
    """Let Triton hash its own library, part of every compiled kernel's name; no device is touched.

    It takes a second, and each run forked from here would do it again.
    """
    with contextlib.suppress(ImportError):  # Without this function, each run does it.
        from triton.runtime.cache import triton_key

        triton_key()


def _rank_count(gpus: int) -> int:
    """Return the number of ranks: one per visible GPU, at most ``gpus``."""
    if gpus < 2:
        # Do not count the GPUs: that may initialise CUDA, and then no forked process can use them.
        return 1
    import torch

    return max(1, min(gpus, torch.cuda.device_count()))


def _redirect_output(folder: RunFolder) -> None:
    """Send this process's output, that of libraries below Python included, into the run's own file."""
    handle = os.open(folder.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


def main() -> None:
    """Do the work that this process's one line of JSON describes."""
    options = read_options(WorkerOptions, RunOptions)
    if isinstance(options, RunOptions):
        sys.exit(do_run(options))
    assert isinstance(options, WorkerOptions)
    serve(options)


if __name__ == "__main__":
    main()
