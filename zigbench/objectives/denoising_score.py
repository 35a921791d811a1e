"""Denoising score matching over discrete noise levels; Song and Ermon (2019)."""

from __future__ import annotations

from torch import Generator, Tensor

from zigbench.objectives.interpolant import InterpolantObjective


class DenoisingScore(InterpolantObjective):
    """L = ‖σ s(x, t) + ε‖² at the levels t = 1/n, 2/n, …, 1: the interpolant's loss of a score at those times."""

    def times(self, t: Tensor, generator: Generator) -> tuple[Tensor, None]:
        levels = self.config.levels
        return ((t * levels).floor() + 1).clamp(max=levels) / levels, None
