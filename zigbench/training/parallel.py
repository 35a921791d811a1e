"""Processes that train one network together: replicated (DDP) or sharded (FSDP2).

Sharding after Zhao et al., "PyTorch FSDP: experiences on scaling fully sharded data parallel" (2023). Checkpoints hold
whole tensors, so their format does not depend on sharding. The modules of FSDP take seconds to import, so they are
imported only where a network is sharded.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from zigbench.backbone import blocks

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


@dataclass(frozen=True)
class World:
    """The group of processes, as seen by one of them: its rank among ``size``; only rank 0 writes files."""

    rank: int = 0
    size: int = 1

    @property
    def main(self) -> bool:
        return self.rank == 0

    def mean(self, value: Tensor) -> Tensor:
        """Replace a tensor by its mean over the processes, in place, and return it."""
        if self.size > 1:
            dist.all_reduce(value)
            value /= self.size
        return value

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value, a small Python object."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values


def current_world() -> World:
    """Return the group that this process has joined; a group of one where it has joined none."""
    if dist.is_available() and dist.is_initialized():
        return World(dist.get_rank(), dist.get_world_size())
    return World()


@dataclass(frozen=True)
class Rendezvous:
    """The place of a process in its group, as the launcher gives it, and the address where the group meets."""

    rank: int
    size: int
    local_rank: int
    address: str
    port: int


def read_rendezvous(environment: Mapping[str, str]) -> Rendezvous | None:
    """Read torchrun's variables, or else SLURM's; None for a process on its own.

    Raises:
        ValueError: SLURM started several tasks and their hosts are not listed.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        size = int(environment["WORLD_SIZE"])
        local_rank = int(environment.get("LOCAL_RANK", "0"))
        address = environment.get("MASTER_ADDR", "127.0.0.1")
        port = int(environment.get("MASTER_PORT", "29500"))
        return Rendezvous(int(environment["RANK"]), size, local_rank, address, port) if size > 1 else None
    # The shell of a batch script has SLURM_NTASKS too; only a task that srun started has a step.
    if int(environment.get("SLURM_STEP_NUM_TASKS", "1")) < 2:
        return None
    address = environment.get("MASTER_ADDR") or _first_host(environment.get("SLURM_STEP_NODELIST", ""))
    if not address:
        raise ValueError("SLURM started several tasks but SLURM_STEP_NODELIST is empty: set MASTER_ADDR")
    # Jobs that share a host must not meet at the same port.
    port = int(environment.get("MASTER_PORT", 20_000 + int(environment.get("SLURM_JOB_ID", "0")) % 20_000))
    return Rendezvous(
        int(environment["SLURM_PROCID"]),
        int(environment["SLURM_STEP_NUM_TASKS"]),
        int(environment["SLURM_LOCALID"]),
        address,
        port,
    )


def _first_host(hosts: str) -> str:
    """Return the first host of SLURM's compressed list: ``gpu03`` of ``gpu[03-05,9],cpu1``."""
    match = re.match(r"([^\[,]*)(?:\[([^\],-]+)[^\]]*\]([^,]*))?", hosts)
    return "".join(part or "" for part in match.groups()) if match else ""


@contextlib.contextmanager
def process_group(device: torch.device | str) -> Iterator[tuple[World, torch.device]]:
    """Join the processes that the launcher started, for the block; a process on its own joins none.

    Args:
        device: kind of device; of several GPUs on a host each process takes the one of its local rank.

    Yields:
        The group, and this process's device.
    """
    device = torch.device(device)
    rendezvous = read_rendezvous(os.environ)
    if rendezvous is None or dist.is_initialized():
        yield current_world(), device
        return
    if device.type == "cuda":
        device = torch.device("cuda", rendezvous.local_rank % torch.cuda.device_count())
        torch.cuda.set_device(device)
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=f"tcp://{rendezvous.address}:{rendezvous.port}" if "RANK" not in os.environ else "env://",
        rank=rendezvous.rank,
        world_size=rendezvous.size,
    )
    try:
        yield current_world(), device
    finally:
        dist.destroy_process_group()


def wrap_ddp(model: nn.Module, device: torch.device) -> nn.Module:
    """Return a module that averages the gradients of ``model`` over all processes in the backward pass.

    The parameters are those of ``model``; every process gets the values of rank 0.
    """
    return DistributedDataParallel(
        model,
        device_ids=[device.index] if device.type == "cuda" else None,
        broadcast_buffers=False,
        gradient_as_bucket_view=True,
    )


def shard_fsdp(model: nn.Module, world: World, device: torch.device) -> None:
    """Shard the parameters of ``model`` over all processes, in place, block by block, with the values of rank 0.

    Raises:
        ValueError: the network lists no blocks.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    layers = blocks(model)
    for parameter in model.parameters():
        dist.broadcast(parameter.detach(), src=0)
    mesh = init_device_mesh(device.type, (world.size,))
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)


@contextlib.contextmanager
def no_sync(forward: nn.Module) -> Iterator[None]:
    """Do not average gradients over the processes in the backward passes of the block."""
    if isinstance(forward, DistributedDataParallel):
        with forward.no_sync():
            yield
        return
    from torch.distributed.fsdp import FSDPModule

    modules = [module for module in forward.modules() if isinstance(module, FSDPModule)]
    for module in modules:
        module.set_requires_gradient_sync(False)
    yield
    for module in modules:
        module.set_requires_gradient_sync(True)


def is_sharded(tensor: Any) -> TypeGuard[DTensor]:
    """Return whether ``value`` is a tensor of which each process holds a part."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def local_part(tensor: Tensor) -> Tensor:
    """Return this process's part of a tensor, sharing its memory: the whole tensor if it is not sharded."""
    return cast(Tensor, tensor.to_local()) if is_sharded(tensor) else tensor


def full_tensors(value: Any) -> Any:
    """Gather a tensor, or a dict or list of tensors, from the parts of all processes; every process must call this."""
    if is_sharded(value):
        return value.full_tensor()
    if isinstance(value, dict):
        return {key: full_tensors(part) for key, part in value.items()}
    if isinstance(value, list):
        return [full_tensors(part) for part in value]
    return value


def shard_like(tensor: Tensor, like: Tensor) -> Tensor:
    """Return a whole tensor sharded as ``like`` is; every process must call this."""
    if not is_sharded(like):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return cast(Tensor, distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements))


def sharded_like(part: Tensor, like: Tensor) -> Tensor:
    """Return the sharded tensor of which ``part`` is this process's part, laid out as ``like``.

    Where ``like`` is not sharded, that is ``part`` itself.
    """
    if not is_sharded(like):
        return part
    from torch.distributed.tensor import DTensor

    mesh, placements = like.device_mesh, like.placements
    return DTensor.from_local(part, mesh, placements, run_check=False, shape=like.shape, stride=like.stride())
