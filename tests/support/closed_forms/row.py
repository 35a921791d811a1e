"""The row of a closed form, and what all of them share: two laws, and the largest difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ..gaussian_mixture import GaussianMixture
from ..one_gaussian import MEAN, SCALE

MIXTURE = GaussianMixture(
    means=torch.tensor([[[[-1.5, 0.5]]], [[[1.0, -0.7]]]], dtype=torch.float64),
    scales=torch.tensor([0.3, 0.5], dtype=torch.float64),
    weights=torch.tensor([0.4, 0.6], dtype=torch.float64),
)
GAUSSIAN = GaussianMixture.single(torch.full((1, 1, 1), MEAN, dtype=torch.float64), SCALE)


@dataclass(frozen=True)
class ClosedForm:
    """A row of the table.

    Attributes:
        kind: of the method ("objective").
        method: its registered name.
        claim: what is known.
        bound: of the error.
        measure: the error, at least 0.
    """

    kind: str
    method: str
    claim: str
    bound: float
    measure: Callable[[], float]


ROWS: list[ClosedForm] = []


def closed_form(kind: str, method: str, claim: str, bound: float) -> Callable[[Callable[[], float]], None]:
    """Return a decorator that adds a row."""
    return lambda measure: ROWS.append(ClosedForm(kind, method, claim, bound, measure))


def largest(one: Tensor, other: Tensor) -> float:
    return float((one - other).detach().abs().max())


def normal(count: int, seed: int, *shape: int) -> Tensor:
    return torch.randn(count, *shape, generator=Generator().manual_seed(seed), dtype=torch.float64)
