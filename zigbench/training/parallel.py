"""Processes that train one network together: who they are, and what they say to each other."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class World:
    """One process among ``size``; rank 0 alone writes."""

    rank: int = 0
    size: int = 1

    @property
    def main(self) -> bool:
        return self.rank == 0

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """Mean over the processes, in place."""
        if self.size > 1:
            dist.all_reduce(value)
            value /= self.size
        return value

    def broadcast(self, value: Any) -> Any:
        """Rank 0's value, a small Python object."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, value: Any) -> list[Any]:
        """Everyone's value, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values


def current() -> World:
    """The world this process has joined; a world of one if it has joined none."""
    if dist.is_available() and dist.is_initialized():
        return World(dist.get_rank(), dist.get_world_size())
    return World()


@dataclass(frozen=True)
class Launch:
    """What the launcher told this process: its rank, of how many, its place on the host, where to meet."""

    rank: int
    size: int
    local_rank: int
    address: str
    port: int


def launched(environment: Mapping[str, str]) -> Launch | None:
    """Read torchrun's variables, or SLURM's where there are none of those; None for a process on its own.

    Raises:
        ValueError: SLURM started several tasks but does not say on which hosts.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        size = int(environment["WORLD_SIZE"])
        place = int(environment.get("LOCAL_RANK", "0"))
        address = environment.get("MASTER_ADDR", "127.0.0.1")
        port = int(environment.get("MASTER_PORT", "29500"))
        return Launch(int(environment["RANK"]), size, place, address, port) if size > 1 else None
    # A batch script's own shell has SLURM_NTASKS too; only a task that srun started has a step.
    if int(environment.get("SLURM_STEP_NUM_TASKS", "1")) < 2:
        return None
    address = environment.get("MASTER_ADDR") or _first_host(environment.get("SLURM_STEP_NODELIST", ""))
    if not address:
        raise ValueError("SLURM started several tasks but SLURM_STEP_NODELIST is empty: set MASTER_ADDR")
    # Jobs that share a host must not meet at the same port.
    port = int(environment.get("MASTER_PORT", 20_000 + int(environment.get("SLURM_JOB_ID", "0")) % 20_000))
    return Launch(
        int(environment["SLURM_PROCID"]),
        int(environment["SLURM_STEP_NUM_TASKS"]),
        int(environment["SLURM_LOCALID"]),
        address,
        port,
    )


def _first_host(hosts: str) -> str:
    """First host of SLURM's compressed list: ``gpu[03-05,9],cpu1`` gives ``gpu03``."""
    found = re.match(r"([^\[,]*)(?:\[([^\],-]+)[^\]]*\]([^,]*))?", hosts)
    return "".join(part or "" for part in found.groups()) if found else ""


@contextlib.contextmanager
def joined(device: torch.device | str) -> Iterator[tuple[World, torch.device]]:
    """Join the processes that the launcher started, for the block; a process on its own joins none.

    Args:
        device: kind of device; of several GPUs on a host each process takes the one of its local rank.

    Yields:
        The world, and this process's device.
    """
    device = torch.device(device)
    launch = launched(os.environ)
    if launch is None or dist.is_initialized():
        yield current(), device
        return
    if device.type == "cuda":
        device = torch.device("cuda", launch.local_rank % torch.cuda.device_count())
        torch.cuda.set_device(device)
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=f"tcp://{launch.address}:{launch.port}" if "RANK" not in os.environ else "env://",
        rank=launch.rank,
        world_size=launch.size,
    )
    try:
        yield current(), device
    finally:
        dist.destroy_process_group()
