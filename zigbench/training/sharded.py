"""A network whose weights are spread over the processes (FSDP2): each keeps a part of every tensor.

Zhao et al., "PyTorch FSDP: experiences on scaling fully sharded data parallel" (2023). Checkpoints hold whole
tensors, so they read like those of a network that was not spread.

Importing what this rests on takes seconds, so it is imported when a network is spread.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from zigbench.backbone import blocks
from zigbench.training.parallel import World

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


def shard_network(model: nn.Module, world: World, device: torch.device) -> None:
    """Spread the parameters of ``model``, in place, block by block; rank 0's values become everybody's.

    Raises:
        ValueError: the network has no blocks.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    chosen = blocks(model)
    for parameter in model.parameters():
        dist.broadcast(parameter.detach(), src=0)
    mesh = init_device_mesh(device.type, (world.size,))
    for block in chosen:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)


def is_spread(tensor: Any) -> TypeGuard[DTensor]:
    """Whether a tensor is kept in parts by several processes."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process keeps: all of one that is not spread. Shares its memory."""
    return cast(Tensor, tensor.to_local()) if is_spread(tensor) else tensor


def whole(value: Any) -> Any:
    """A tensor, or the tensors in a dict or list, put together from all processes' parts; everyone must call this."""
    if is_spread(value):
        return value.full_tensor()
    if isinstance(value, dict):
        return {key: whole(part) for key, part in value.items()}
    if isinstance(value, list):
        return [whole(part) for part in value]
    return value


def share(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor spread as ``like`` is; everyone must call this."""
    if not is_spread(like):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return cast(Tensor, distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements))


def spread_like(part: Tensor, spread: Tensor) -> Tensor:
    """This process's part of a tensor that is spread as ``spread`` is, as that tensor; ``part`` if it is not."""
    if not is_spread(spread):
        return part
    from torch.distributed.tensor import DTensor

    mesh, places = spread.device_mesh, spread.placements
    return DTensor.from_local(part, mesh, places, run_check=False, shape=spread.shape, stride=spread.stride())
