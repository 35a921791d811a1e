"""The averaged weights, which are what is sampled from and measured."""

from __future__ import annotations

import copy

import torch
from torch import nn

from zigbench.spec import TrainingSpec
from zigbench.training.sharded import local, share, spread_like, whole


def exponential_weight(decay: float, count: int) -> float:
    """Weight of the newest of ``count`` iterates in their exponential average: (1 − β) / (1 − β^count).

    The average of n iterates is then Σ β^(n−i) θ_i / Σ β^(n−i), exactly, from the first step on: the untrained
    initialisation has no part in it, as in Adam's own correction (Kingma & Ba, 2015, section 3).
    """
    weight: float = (1 - decay) / (1 - decay**count)
    return weight


def power_weight(exponent: float, count: int) -> float:
    """Weight of the newest of ``count`` iterates under the profile τ^γ: 1 − (1 − 1/count)^(γ + 1).

    Karras et al., "Analyzing and improving the training dynamics of diffusion models" (2024), equation 127.
    """
    return 1 - (1 - 1 / count) ** (exponent + 1)


def power_exponent(relative_std: float) -> float:
    """γ of the profile τ^γ on [0, 1] whose standard deviation is ``relative_std``, in (0, 0.2887).

    Solves (γ + 1) / ((γ + 2)² (γ + 3)) = σ² by bisection; the left side falls with γ ≥ 0 from 1/12.
    """
    low, high = 0.0, 1.0
    while _variance(high) > relative_std**2:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if _variance(middle) > relative_std**2:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _variance(exponent: float) -> float:
    return (exponent + 1) / ((exponent + 2) ** 2 * (exponent + 3))


class Average:
    """A copy of a model that holds the average of its iterates.

    Attributes:
        model: the copy, in evaluation mode, without gradients.
    """

    def __init__(self, model: nn.Module, spec: TrainingSpec) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay = spec.ema
        self._exponent = None if spec.ema_std is None else power_exponent(spec.ema_std)
        self._own = [parameter.detach() for parameter in self.model.parameters()]
        self.follow(model)

    def follow(self, model: nn.Module) -> None:
        """Average this model from now on: the one copied, which has been spread over processes since."""
        self._followed = [parameter.detach() for parameter in model.parameters()]
        self._buffers = list(zip(self.model.buffers(), model.buffers(), strict=True))
        # Of a spread network each process averages its own part; otherwise the copy is averaged in place.
        self._theirs = [local(parameter) for parameter in self._followed]
        self._mine = [
            own if theirs is followed else torch.empty_like(theirs)
            for own, theirs, followed in zip(self._own, self._theirs, self._followed, strict=True)
        ]
        self.scatter()

    def weight(self, count: int) -> float:
        """Weight of the newest of ``count`` iterates; 1 for the first."""
        if self._exponent is None:
            return exponential_weight(self._decay, count)
        return power_weight(self._exponent, count)

    @torch.no_grad()
    def update(self, count: int) -> None:
        """Take in the model's present weights, the iterate after ``count`` steps."""
        torch._foreach_lerp_(self._mine, self._theirs, self.weight(count))

    @torch.no_grad()
    def gather(self) -> None:
        """Bring the copy up to date: its buffers, which are not averaged, and parts that other processes keep."""
        for mine, theirs in self._buffers:
            mine.copy_(theirs)
        for own, mine, followed in zip(self._own, self._mine, self._followed, strict=True):
            if mine is not own:
                own.copy_(whole(spread_like(mine, followed)))

    @torch.no_grad()
    def scatter(self) -> None:
        """Take this process's parts from the copy, after it was filled from a checkpoint."""
        for own, mine, followed in zip(self._own, self._mine, self._followed, strict=True):
            if mine is not own:
                mine.copy_(local(share(own, followed)))
