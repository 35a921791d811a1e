"""The moving average of a network's weights, from which samples are drawn and which is measured."""

from __future__ import annotations

import torch
from torch import nn

from zigbench.spec import TrainingSpec
from zigbench.training.parallel import full_tensors, local_part, shard_like, sharded_like


def exponential_weight(decay: float, count: int) -> float:
    """Return the weight of the newest of ``count`` iterates in their exponential average: (1 − β) / (1 − β^count).

    The average of n iterates is then Σ β^(n−i) θ_i / Σ β^(n−i), exactly, from the first step on: it does not contain
    the untrained initialisation, as in Adam's own correction (Kingma & Ba, 2015, section 3).
    """
    weight: float = (1 - decay) / (1 - decay**count)
    return weight


def power_weight(exponent: float, count: int) -> float:
    """Return the weight of the newest of ``count`` iterates under the profile τ^γ: 1 − (1 − 1/count)^(γ + 1).

    Karras et al., "Analyzing and improving the training dynamics of diffusion models" (2024), equation 127.
    """
    return 1 - (1 - 1 / count) ** (exponent + 1)


def power_exponent(relative_std: float) -> float:
    """Return γ of the profile τ^γ on [0, 1] with the standard deviation ``relative_std``, in (0, 0.2887).

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


class EMA:
    """A moving average of the weights of a network in training.

    Of a sharded network each process averages its own part; :meth:`gather` puts the parts together.

    Args:
        model: the network in training, already sharded where it is to be.
        average: a copy of the network, made before it was sharded; it is filled with the averages.
        spec: decay, or relative width of the power function.

    Attributes:
        model: ``average``, in evaluation mode, without gradients.
    """

    def __init__(self, model: nn.Module, average: nn.Module, spec: TrainingSpec) -> None:
        self.model = average.eval().requires_grad_(False)
        self._decay = spec.ema
        self._exponent = None if spec.ema_std is None else power_exponent(spec.ema_std)
        self._buffers = list(zip(average.buffers(), model.buffers(), strict=True))
        self._trained = [parameter.detach() for parameter in model.parameters()]
        self._whole = [parameter.detach() for parameter in average.parameters()]
        self._sources = [local_part(parameter) for parameter in self._trained]
        # A parameter that is not sharded is averaged directly in the copy.
        self._averages = [
            whole if source is trained else torch.empty_like(source)
            for whole, source, trained in zip(self._whole, self._sources, self._trained, strict=True)
        ]
        self.scatter()

    def weight(self, count: int) -> float:
        """Return the weight of the newest of ``count`` iterates; 1 for the first."""
        if self._exponent is None:
            return exponential_weight(self._decay, count)
        return power_weight(self._exponent, count)

    @torch.no_grad()
    def update(self, count: int) -> None:
        """Add the model's present weights, the iterate after ``count`` steps, to the average."""
        torch._foreach_lerp_(self._averages, self._sources, self.weight(count))

    @torch.no_grad()
    def gather(self) -> None:
        """Complete the copy: buffers, which are not averaged, and the parts that other processes hold."""
        for own, buffer in self._buffers:
            own.copy_(buffer)
        for whole, average, trained in zip(self._whole, self._averages, self._trained, strict=True):
            if average is not whole:
                whole.copy_(full_tensors(sharded_like(average, trained)))

    @torch.no_grad()
    def scatter(self) -> None:
        """Take this process's parts from the copy, after it was filled from a checkpoint."""
        for whole, average, trained in zip(self._whole, self._averages, self._trained, strict=True):
            if average is not whole:
                average.copy_(local_part(shard_like(whole, trained)))
