"""Trainings of several processes, ``python parallel_jobs.py JOBS``; JOBS as JSON, [[folder, processes, changes], …].

Each job's processes are forks of this one with the variables that torchrun gives them. Prints, as JSON, the failure
of each process of each job ("" where it ended well).
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
import torch.distributed.fsdp  # noqa: F401 - what sharding a network would import: once for all forks
from conftest import net, train

from zigbench.training.parallel import process_group


def process(folder: Path, rank: int, size: int, port: int, changes: dict[str, Any]) -> str:
    """Train as one of several processes and return its failure."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    with process_group("cpu") as (world, device):
        try:
            assert (world.rank, world.size) == (rank, size)
            # Each begins with other weights: the first process's are everybody's.
            result = train(folder, net(seed=rank), device=device, **changes)
            assert result.step == 20
            assert len(set(world.gather(result.curve))) == 1
        except (ValueError, AssertionError, RuntimeError) as error:
            return f"{type(error).__name__}: {error}"
    return ""


def run(folder: Path, size: int, changes: dict[str, Any]) -> list[str]:
    """Do one job and return the failures of its processes."""
    if "from" in changes:
        # The folder of another job without its last checkpoint: the last steps are done again.
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
    failures = []
    for end in ends:
        with os.fdopen(end) as file:
            failures.append(file.read())
    for _ in range(size):
        os.wait()
    return failures


if __name__ == "__main__":
    jobs = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps([run(Path(folder), size, changes) for folder, size, changes in jobs]))
