"""Several processes of this machine that do one run together, as a scheduler starts them: rank 0 leads."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from zigbench.runs.process import RunOptions, command

HOST = "127.0.0.1"


@contextlib.contextmanager
def local_ranks(folder: Path, cpus: int, count: int) -> Iterator[None]:
    """Make this process rank 0 of ``count`` that do the run in ``folder`` together, while the block runs.

    If another rank dies, rank 0 is killed with it, as srun does with --kill-on-bad-exit: the run resumes later from its
    checkpoint. A rank that fails writes the reason into the run's output.

    Args:
        folder: of the run.
        cpus: threads of each process.
        count: processes; for one there is nothing to start.
    """
    if count == 1:
        yield
        return
    meeting = {"WORLD_SIZE": str(count), "MASTER_ADDR": HOST, "MASTER_PORT": str(_free_port())}
    others = [_start(folder, cpus, meeting | _rank(rank)) for rank in range(1, count)]
    over = threading.Event()

    def watch(other: subprocess.Popen[bytes]) -> None:
        if other.wait() and not over.is_set():
            os.kill(os.getpid(), signal.SIGKILL)

    for other in others:
        threading.Thread(target=watch, args=(other,), daemon=True).start()
    own = meeting | _rank(0)
    os.environ.update(own)
    try:
        yield
    finally:
        over.set()
        for other in others:
            assert other.stdin is not None
            other.stdin.close()
            other.wait()
        for name in own:
            del os.environ[name]


def _start(folder: Path, cpus: int, rank: dict[str, str]) -> subprocess.Popen[bytes]:
    # Its input closes when rank 0 ends in any way.
    options = RunOptions(run=folder.resolve(), cpus=cpus, stop_with_input=True)
    return subprocess.Popen(
        command("zigbench.runs.worker", options.line), stdin=subprocess.PIPE, env={**os.environ, **rank}
    )


def _rank(number: int) -> dict[str, str]:
    return {"RANK": str(number), "LOCAL_RANK": str(number)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
