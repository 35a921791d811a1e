"""A training killed again and again, beside an untouched twin: ``python kill_trainings.py FOLDER KILLS SEED``.

Each training is a fork of this process, which has imported everything and computed nothing. One that ends before it is
killed, on a machine that has become faster, begins anew: every kill hits.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch._dynamo  # noqa: F401 - the optimizer imports it: once for all forks
from conftest import net, train


def start(folder: Path) -> int:
    """Train in a child and return its process id."""
    child = os.fork()
    if child:
        return child
    train(folder, net(dropout=0.2), steps=120, checkpoint_seconds=0.02, log_every=3)
    os._exit(0)


def main(folder: Path, kills: int, seed: int) -> None:
    begun = time.monotonic()
    assert os.waitpid(start(folder / "alone"), 0)[1] == 0
    whole = time.monotonic() - begun
    draw = random.Random(seed)
    killed = 0
    while killed < kills:
        child = start(folder / "killed")
        time.sleep(draw.uniform(0, 3 * whole / kills))
        os.kill(child, signal.SIGKILL)
        if os.waitpid(child, 0)[1] == signal.SIGKILL:
            killed += 1
        else:
            shutil.rmtree(folder / "killed")
    assert os.waitpid(start(folder / "killed"), 0)[1] == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
