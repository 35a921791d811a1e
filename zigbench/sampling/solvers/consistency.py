"""Multistep sampling of a consistency model; Song et al. (2023), algorithm 1."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor

from zigbench.sampling.field import Field
from zigbench.sampling.solvers.base import SolverOptions, solver


@solver("consistency")
def consistency(field: Field, x: Tensor, times: list[float], options: SolverOptions) -> Tensor:
    """Jump to the end of the flow, then add fresh noise for the next time, and so on; one evaluation a step."""
    assert options.increments is not None
    for t, end in pairwise(times):
        data = field(x, t, "data")[0]
        state = field.state(end)
        sigma = float(state.sigma)
        x = float(state.alpha) * data
        if sigma > 0:
            x = x + sigma * options.increments(x)
    return x
