"""A network's evaluations replayed as one captured CUDA graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WARM_UP = 3
"""Evaluations before the capture, as libraries and compiled kernels set themselves up in the first ones."""


class Graphed(nn.Module):
    """Called like the network, with inputs shaped like those it was captured with.

    Args:
        network: in evaluation mode.
        x, t, conditions: inputs on a CUDA device.
    """

    def __init__(self, network: nn.Module, x: Tensor, t: Tensor, **conditions: Tensor) -> None:
        super().__init__()
        self.inputs = {"x": x.clone(), "t": t.clone(), **{name: value.clone() for name, value in conditions.items()}}
        self.graph = torch.cuda.CUDAGraph()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.no_grad(), torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                network(**self.inputs)
        torch.cuda.current_stream().wait_stream(aside)
        with torch.no_grad(), torch.cuda.graph(self.graph):
            self.out = network(**self.inputs)

    def forward(self, x: Tensor, t: Tensor, **conditions: Tensor | None) -> Tensor:
        for name, value in {"x": x, "t": t, **conditions}.items():
            if value is not None:
                self.inputs[name].copy_(value)
        self.graph.replay()
        return self.out.clone()  # The next replay writes over it.
