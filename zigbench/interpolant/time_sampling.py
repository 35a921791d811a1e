"""Distributions of training times.

Esser et al., "Scaling rectified flow transformers" (2024), section 3.1 (logit-normal, mode, CosMap); Karras et al.,
"Elucidating the design space of diffusion-based generative models" (2022), table 1 (EDM). All with data at t = 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from zigbench.interpolant.options import positive
from zigbench.interpolant.path import Path


def _uniform(count: int, generator: Generator) -> Tensor:
    return torch.rand(count, generator=generator, device=generator.device, dtype=torch.float64)


def _normal(count: int, generator: Generator) -> Tensor:
    return torch.randn(count, generator=generator, device=generator.device, dtype=torch.float64)


@dataclass(frozen=True)
class TimeSampler(ABC):
    """A distribution over [0, 1]."""

    @abstractmethod
    def draw(self, count: int, path: Path, generator: Generator) -> Tensor:
        """Return ``count`` times, float64, on the generator's device."""


@dataclass(frozen=True)
class Uniform(TimeSampler):
    """Uniform on [0, 1)."""

    def draw(self, count: int, path: Path, generator: Generator) -> Tensor:
        return _uniform(count, generator)


@dataclass(frozen=True)
class LogitNormal(TimeSampler):
    """log(t/(1 − t)) is normal: the middle of the path more often than its ends.

    Args:
        mean: above 0 leans to the data, below 0 to the noise.
        std: above 0.
    """

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        positive(std=self.std)

    def draw(self, count: int, path: Path, generator: Generator) -> Tensor:
        return torch.sigmoid(self.mean + self.std * _normal(count, generator))


@dataclass(frozen=True)
class Mode(TimeSampler):
    """t = u + s (cos²(πu/2) − 1 + u) of a uniform u: a heavier middle (s > 0) or heavier ends (s < 0).

    Unlike the logit-normal it keeps a positive density at both ends.

    Args:
        skew: s in [-1, 2/(π − 2) = 1.75], where the map is monotone; 1.29 did best in the source.
    """

    skew: float = 1.29

    def __post_init__(self) -> None:
        greatest = 2 / (torch.pi - 2)
        if not -1 <= self.skew <= greatest:
            raise ValueError(f"skew is {self.skew}; it must lie in [-1, {greatest:.4f}], where times stay in order")

    def draw(self, count: int, path: Path, generator: Generator) -> Tensor:
        u = _uniform(count, generator)
        return (u + self.skew * (torch.cos(torch.pi / 2 * u) ** 2 - 1 + u)).clamp(0, 1)


@dataclass(frozen=True)
class Edm(TimeSampler):
    """log(σ/α) is normal: the same mixture of noise levels along whichever path.

    Args:
        mean: of the logarithm of the ratio of noise to data.
        std: above 0.
    """

    mean: float = -1.2
    std: float = 1.2

    def __post_init__(self) -> None:
        positive(std=self.std)

    def draw(self, count: int, path: Path, generator: Generator) -> Tensor:
        return path.time(-(self.mean + self.std * _normal(count, generator)))


@dataclass(frozen=True)
class Grid(TimeSampler):
    """Uniform over 0, 1/n, …, (n − 1)/n: the times at which n Euler steps evaluate the network.

    Args:
        points: n.
    """

    points: int = 1000

    def __post_init__(self) -> None:
        positive(points=self.points)

    def draw(self, count: int, path: Path, generator: Generator) -> Tensor:
        index = torch.randint(self.points, (count,), generator=generator, device=generator.device)
        return index.double() / self.points


@dataclass(frozen=True)
class CosMap(TimeSampler):
    """t = 1 − 1/(tan(πu/2) + 1) of a uniform u: on the line, the noise levels of the cosine path.

    Esser et al. (2024), section 3.1: the density is 2/(π (1 − 2t + 2t²)), the same from both ends.
    """

    def draw(self, count: int, path: Path, generator: Generator) -> Tensor:
        return 1 - 1 / (torch.tan(torch.pi / 2 * _uniform(count, generator)) + 1)


MEMBERS: dict[str, type[TimeSampler]] = {
    "uniform": Uniform,
    "logit-normal": LogitNormal,
    "mode": Mode,
    "edm": Edm,
    "grid": Grid,
    "cosmap": CosMap,
}

TIMES = tuple(MEMBERS)
"""Names of the distributions of training times."""
