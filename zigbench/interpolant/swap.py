"""Sampling along another path than the one trained on.

Two paths pass through the same distributions up to scale and time: where their ratios α/σ agree, x on one is a
multiple of x on the other, and the expected data and noise are the same. Karras et al., "Elucidating the design
space" (2022), section 3; Lipman et al., "Flow matching guide and code" (2024), section 4.8.1. A network trained
along one path therefore gives the exact field of any other, at every ratio that its own path reaches; beyond
(a path of finite range, such as VP or VE) its nearest end is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zigbench.interpolant.cutoff import SAMPLING
from zigbench.interpolant.interpolant import Interpolant, Model, prediction_of, spread
from zigbench.interpolant.path import Path
from zigbench.interpolant.prediction import MEMBERS


@dataclass(frozen=True)
class Swapped:
    """A network for the interpolant ``target``, made of one trained for ``trained``; called like any network."""

    model: Model
    trained: Interpolant
    target: Interpolant

    def __call__(self, x: Tensor, t: Tensor, *, label: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        t = self.target.clamp(t.double())
        there = self.target.path.state(t)
        own_t = self.trained.path.time(there.alpha.log() - there.sigma.log())
        own_t = self.trained.clamp(own_t, "data", "noise")
        here = self.trained.path.state(own_t)
        # Equal ratios, so α, σ and √(α² + σ²) all scale alike; the last one never vanishes.
        scale = torch.hypot(here.alpha, here.sigma) / torch.hypot(there.alpha, there.sigma)
        own_x = spread(scale, x) * x
        model_t = own_t.to(torch.promote_types(x.dtype, torch.float32))
        output = prediction_of(self.model(own_x, model_t, label=label, context=context), own_x)
        data = self.trained.data(output, own_x, own_t)
        noise = self.trained.noise(output, own_x, own_t)
        of_data, of_noise = MEMBERS[self.target.prediction].definition(there)
        return spread(of_data, x) * data + spread(of_noise, x) * noise


def swap(model: Model, trained: Interpolant, path: str | Path, **options: Any) -> tuple[Swapped, Interpolant]:
    """Return the network and the interpolant with which to sample along ``path``, without training again.

    Args:
        model: a network trained along ``trained``.
        trained: the interpolant of the training.
        path: the path to sample along.
        options: of the new :class:`Interpolant` (its path's own, or ``prediction``, by default velocity).

    Returns:
        The model and the interpolant for :func:`zigbench.sampling.sample`.
    """
    target = Interpolant(path, **{"cutoff": trained.cutoff, **options})
    return Swapped(model, trained.with_cutoff(SAMPLING), target), target
