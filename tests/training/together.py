"""Trainings of several processes: ``python together.py JOBS`` with JOBS as JSON, [[folder, processes, changes], …].

Each job's processes are forks of this one with the variables that torchrun gives them. Prints, as JSON, what each
process of each job failed with ("" where it did not).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import torch._dynamo
import torch.distributed.fsdp  # noqa: F401 - with it, what spreading a network would import: once for all forks
from conftest import net, train

from zigbench.training.parallel import joined


def process(folder: Path, rank: int, size: int, port: int, changes: dict[str, Any]) -> str:
    """Train as one of several; what it failed with."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    with joined("cpu") as (world, device):
        try:
            assert (world.rank, world.size) == (rank, size)
            # Each begins with other weights: the first process's are everybody's.
            trained = train(folder, net(seed=rank), device=device, **changes)
            assert trained.step == 20
            assert len(set(world.gather(trained.curve))) == 1
        except (ValueError, AssertionError, RuntimeError) as error:
            return f"{type(error).__name__}: {error}"
    return ""


def run(folder: Path, size: int, changes: dict[str, Any]) -> list[str]:
    """One job; what each of its processes failed with."""
    if "from" in changes:
        # Another's folder, with its last checkpoint lost and so the last steps to be done again.
        shutil.copytree(folder.with_name(changes.pop("from")), folder)
        shutil.rmtree(max((folder / "checkpoints").iterdir()))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ends = []
    for rank in range(size):
        end, other = os.pipe()
        if not os.fork():
            os.write(other, process(folder, rank, size, port, changes).encode())
            os._exit(0)
        os.close(other)
        ends.append(end)
    told = []
    for end in ends:
        with os.fdopen(end) as file:
            told.append(file.read())
    for _ in range(size):
        os.wait()
    return told


if __name__ == "__main__":
    jobs = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps([run(Path(folder), size, changes) for folder, size, changes in jobs]))
