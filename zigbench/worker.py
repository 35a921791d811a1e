"""A process that executes runs one after another: ``python -m zigbench.worker RESULTS CPUS``.

It reads run ids from standard input, a line each, and answers on standard output with a line of JSON for each run
done. When its input closes, as it does when whoever started it is gone, it stops at once, in the midst of a run if
need be: everything a run leaves is written atomically, and the next one to take the run resumes it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue


def main(root: Path, cpus: int) -> None:
    """Serve until the input closes."""
    # The thread counts must stand before torch and numba are imported.
    os.environ.setdefault("OMP_NUM_THREADS", str(cpus))
    os.environ.setdefault("NUMBA_NUM_THREADS", str(cpus))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    runs: SimpleQueue[str] = SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            runs.put(line.strip())
        os._exit(0)

    threading.Thread(target=listen, name="listen", daemon=True).start()

    import torch

    from zigbench.folder import BusyError, RunFolder
    from zigbench.run import execute

    torch.set_num_threads(cpus)
    answers.write(json.dumps({"ready": os.getpid()}) + "\n")
    while True:
        folder = RunFolder(root / runs.get())
        begun = time.monotonic()
        _print_into(folder.output)
        answer: dict[str, str]
        try:
            answer = {"status": execute(folder, cache=root.parent / "cache").status}
        except BusyError as error:
            answer = {"status": "busy", "error": str(error)}
        except (OSError, ValueError) as error:
            # No record could be written (a full disk, a damaged spec): the one who asked must hear of it.
            answer = {"status": "error", "error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps({"run": folder.id, "seconds": time.monotonic() - begun, **answer}) + "\n")


def _print_into(path: Path) -> None:
    """Send this process's output, that of libraries below Python included, into the run's own file."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
