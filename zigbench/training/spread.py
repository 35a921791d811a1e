"""The network as it is called: compiled, or spread over processes."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from zigbench.spec import TrainingSpec
from zigbench.training.distributed import World


def spread(model: nn.Module, training: TrainingSpec, world: World, device: torch.device) -> nn.Module:
    """``model`` to be called in training; its parameters stay those of ``model``."""
    forward = cast(nn.Module, torch.compile(model)) if training.compile else model
    if world.size == 1:
        return forward
    return DistributedDataParallel(
        forward,
        device_ids=[device.index] if device.type == "cuda" else None,
        broadcast_buffers=False,
        gradient_as_bucket_view=True,
    )
