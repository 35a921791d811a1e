"""Recomputing a network's blocks in the backward pass instead of keeping their activations."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

from torch import nn
from torch.utils.checkpoint import checkpoint


def blocks(model: nn.Module) -> list[nn.Module]:
    """The repeated parts of a network: the members of its outermost module lists.

    Raises:
        ValueError: it has no module list.
    """
    found: list[nn.Module] = []

    def look(module: nn.Module) -> None:
        for child in module.children():
            if isinstance(child, nn.ModuleList):
                found.extend(child)
            else:
                look(child)

    look(model)
    if not found:
        raise ValueError(
            f"{type(model).__name__} keeps its blocks in no nn.ModuleList, so they can't be told apart: "
            "activation_checkpointing and distribution = 'sharded' need one"
        )
    return found


@contextlib.contextmanager
def recomputed(model: nn.Module) -> Iterator[None]:
    """Within the block, each of the model's blocks keeps its input only; its random numbers are repeated too."""
    chosen = blocks(model)
    for block in chosen:
        block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in chosen:
            del block.forward
