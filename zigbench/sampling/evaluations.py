"""Counting network evaluations, the common currency of solvers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zigbench.interpolant.interpolant import Interpolant, Model
from zigbench.sampling.sampler import Sampler
from zigbench.spec.solvers import SOLVERS


@dataclass
class Counted:
    """A network that counts its calls; each is one evaluation per sample, so guidance counts twice.

    Attributes:
        model: the network.
        evaluations: calls so far.
    """

    model: Model
    evaluations: int = 0

    def __call__(self, x: Tensor, t: Tensor, *, label: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        self.evaluations += 1
        return self.model(x, t, label=label, context=context)


def network_evaluations(sampler: Sampler, interpolant: Interpolant) -> int:
    """Evaluations per sample that ``sampler`` takes, found by running it on one number.

    Raises:
        ValueError: dopri5, whose count depends on the network.
    """
    if SOLVERS[sampler.solver].evaluations is None:
        raise ValueError(f"{sampler.solver} chooses its steps by the network; count them with Counted(model)")
    network = Counted(lambda x, t, *, label=None, context=None: x)
    label = torch.zeros(1, dtype=torch.int64)
    sampler(network, interpolant, torch.zeros(1, 1, 1, 1), label=label, generator=[0])
    return network.evaluations
