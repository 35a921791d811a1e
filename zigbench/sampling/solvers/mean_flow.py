"""Steps of a network of intervals: each crosses its interval by the mean velocity that the network predicts."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor

from zigbench.sampling.field import Field
from zigbench.sampling.solvers.base import SolverOptions, solver


@solver("mean-flow")
def mean_flow(field: Field, x: Tensor, times: list[float], options: SolverOptions) -> Tensor:
    """Return x + (r − t) u(x, t, r) step by step: Geng et al. (2025), section 4.1; one evaluation a step."""
    for t, end in pairwise(times):
        x = x + (end - t) * field.mean_velocity(x, t, end)
    return x
