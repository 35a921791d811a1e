"""The network as it is called: compiled, or spread over processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from zigbench.spec import TrainingSpec
from zigbench.training.parallel import World
from zigbench.training.sharded import shard_network


def spread(model: nn.Module, training: TrainingSpec, world: World, device: torch.device) -> nn.Module:
    """``model`` to be called in training; its parameters stay those of ``model``.

    Raises:
        ValueError: a network without blocks is to be sharded.
    """
    sharded = training.distribution == "sharded" and world.size > 1
    if sharded:
        shard_network(model, world, device)
    forward = cast(nn.Module, torch.compile(model)) if training.compile else model
    if sharded or world.size == 1:
        return forward
    return DistributedDataParallel(
        forward,
        device_ids=[device.index] if device.type == "cuda" else None,
        broadcast_buffers=False,
        gradient_as_bucket_view=True,
    )


@contextlib.contextmanager
def unexchanged(forward: nn.Module) -> Iterator[None]:
    """Within the block, backward passes of several processes' network leave each its own gradient."""
    if isinstance(forward, DistributedDataParallel):
        with forward.no_sync():
            yield
        return
    from torch.distributed.fsdp import FSDPModule  # Takes seconds: only where a network is sharded.

    spread_out = [module for module in forward.modules() if isinstance(module, FSDPModule)]
    for module in spread_out:
        module.set_requires_gradient_sync(False)
    yield
    for module in spread_out:
        module.set_requires_gradient_sync(True)
