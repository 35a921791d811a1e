"""One run by several processes of this machine, as a scheduler starts them: the first does it, the others assist.

``python -m zigbench.runs.local_ranks FOLDER CPUS`` is one of the others. It stops at once when its input closes, as it
does when the first one is gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from zigbench.spec.registry import load_object

HOST = "127.0.0.1"


@contextlib.contextmanager
def assisted(folder: Path, cpus: int, tasks: int) -> Iterator[None]:
    """Within the block this process is the first of ``tasks`` that do the run in ``folder`` together.

    If one of the others dies the first is killed with it, as srun does with --kill-on-bad-exit: the run is then lost
    without harm, and goes on from its checkpoint. One that only fails says so in the run's output.

    Args:
        folder: of the run.
        cpus: threads of each process.
        tasks: processes; for one there is nothing to do.
    """
    if tasks == 1:
        yield
        return
    meeting = {"WORLD_SIZE": str(tasks), "MASTER_ADDR": HOST, "MASTER_PORT": str(_free_port())}
    others = [_start(folder, cpus, {**meeting, **_place(rank)}) for rank in range(1, tasks)]
    over = threading.Event()

    def watch(other: subprocess.Popen[bytes]) -> None:
        if other.wait() and not over.is_set():
            os.kill(os.getpid(), signal.SIGKILL)

    for other in others:
        threading.Thread(target=watch, args=(other,), daemon=True).start()
    mine = {**meeting, **_place(0)}
    os.environ.update(mine)
    try:
        yield
    finally:
        over.set()
        for other in others:
            assert other.stdin is not None
            other.stdin.close()
            other.wait()
        for name in mine:
            del os.environ[name]


def _start(folder: Path, cpus: int, place: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "zigbench.runs.local_ranks", str(folder), str(cpus)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, **place})


def _place(rank: int) -> dict[str, str]:
    return {"RANK": str(rank), "LOCAL_RANK": str(rank)}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port


def main(folder: Path, cpus: int) -> int:
    """Assist in the run; the exit code."""

    def listen() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=listen, name="listen", daemon=True).start()
    code: int = load_object("zigbench.runs.worker:do_one")(folder, cpus)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
