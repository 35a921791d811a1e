"""Sampling: ODE and SDE solvers, guidance, likelihood, counting of network evaluations."""

from __future__ import annotations

from zigbench.sampling.diffusion import DIFFUSIONS
from zigbench.sampling.grid import GRIDS
from zigbench.sampling.likelihood import TRACES, Likelihood, likelihood
from zigbench.sampling.random import starting_noise
from zigbench.sampling.sampler import (
    ODE_SOLVERS,
    SDE_SOLVERS,
    SOLVERS,
    Counted,
    Sampler,
    network_evaluations,
    sample,
)
from zigbench.sampling.solvers.stochastic import LAST_STEPS

__all__ = [
    "DIFFUSIONS",
    "GRIDS",
    "LAST_STEPS",
    "ODE_SOLVERS",
    "SDE_SOLVERS",
    "SOLVERS",
    "TRACES",
    "Counted",
    "Likelihood",
    "Sampler",
    "likelihood",
    "network_evaluations",
    "sample",
    "starting_noise",
]
