"""Rates, step sizes and projections at initialisation, as Mamba, Mamba-2 and the linear attentions draw them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

DT_RANGE = (1e-3, 1e-1)
"""Δ at initialisation: log-uniform between these, as in Mamba."""


def step_bias(count: int) -> Tensor:
    """Return the biases (count,) whose softplus is log-uniform over ``DT_RANGE``."""
    low, high = (math.log(end) for end in DT_RANGE)
    dt = torch.empty(count).uniform_(low, high).exp()
    # The inverse of softplus, written so that small Δ keep their digits.
    return dt + torch.log(-torch.expm1(-dt))


def log_rates(count: int, low: float, high: float) -> Tensor:
    """Return the logarithms (count,) of decay rates that are uniform between two bounds."""
    return torch.empty(count).uniform_(low, high).log()


def wide(x: Tensor) -> Tensor:
    """Convert to at least float32, which a state needs for every type of the network."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def xavier(weight: Tensor, depth: int = 1) -> None:
    """Draw a projection as the release of gated linear attention does: Xavier's uniform with a gain of 2^(−5/2).

    Args:
        weight: (outputs, inputs), filled in place.
        depth: divides the variance, as out_proj needs it.
    """
    with torch.no_grad():
        nn.init.xavier_uniform_(weight, gain=2**-2.5 / math.sqrt(depth))
