"""Helpers that several test files of the backbones share."""

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
    """Return (tokens, tokens) bool: entry [i, j] says whether the output at token i depends on the input at token j.

    By gradients in float64: where there is no path they are products with exact zeros, on any processor, while a
    difference of two outputs has rounding in it.
    """
    generator = torch.Generator().manual_seed(2)
    tokens, p = geometry.tokens, geometry.patch
    x = torch.randn(1, *geometry.sample_shape, generator=generator, dtype=torch.float64)
    x = x.repeat(tokens, *(1 for _ in geometry.sample_shape)).requires_grad_()
    outs = network(x, torch.full((tokens,), 0.5, dtype=torch.float64))
    weights = torch.rand(outs.shape, generator=generator, dtype=torch.float64)
    by_token = (outs * weights).sum(dim=-3).unfold(-2, p, p).unfold(-2, p, p).sum(dim=(-2, -1)).flatten(1)
    (gradient,) = torch.autograd.grad(by_token.diagonal().sum(), x, allow_unused=True, materialize_grads=True)
    return gradient.abs().sum(dim=-3).unfold(-2, p, p).unfold(-2, p, p).sum(dim=(-2, -1)).flatten(1) > 0
