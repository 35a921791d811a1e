"""What several test files of the backbones share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from backbones.config.video import ClipConfig
from zigbench.backbone import Geometry, build
from zigbench.spec import registry


def moved(name: str, geometry: Geometry, *, scale: float = 0.1, **config: Any) -> nn.Module:
    """A small network in float64 and evaluation mode, moved off its initialisation as training would move it."""
    config = {"width": 16, "depth": 4, **config}
    network = build(name, geometry, seed=0, **config).double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter += scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return network


def fitting(name: str, geometry: Geometry) -> Geometry:
    """The geometry, of clips of two such images for a family that maps clips only."""
    return replace(geometry, frames=2) if issubclass(registry.backbones.get(name), ClipConfig) else geometry


def influence(network: nn.Module, geometry: Geometry) -> Tensor:
    """(tokens, tokens) bool: entry [i, j] says whether the output at token i depends on the input at token j.

    Each token's pixels are moved in turn, in float64, so that a dependence through many layers still shows.
    """
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(1, *geometry.sample_shape, generator=generator, dtype=torch.float64)
    rows, columns = geometry.grid
    p = geometry.patch
    inputs = x.repeat(geometry.tokens, *(1 for _ in geometry.sample_shape))
    frames = inputs.view(geometry.tokens, -1, *x.shape[-3:])
    for j in range(geometry.tokens):
        frame, place = divmod(j, rows * columns)
        r, c = divmod(place, columns)
        frames[j, frame, :, r * p : (r + 1) * p, c * p : (c + 1) * p] += 1.0
    with torch.no_grad():
        outs = network(torch.cat([x, inputs]), torch.full((1 + len(inputs),), 0.5, dtype=torch.float64))
    change = (outs[1:] - outs[:1]).abs().sum(dim=-3)
    return change.unfold(-2, p, p).unfold(-2, p, p).sum(dim=(-2, -1)).flatten(1).T > 0
