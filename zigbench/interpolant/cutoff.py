"""How near to its ends a path may be used.

Some quantities have no finite coefficients at an end: the data cannot be told from the noise where α = 0, the
score is infinite where σ = 0, the velocity of VP is infinite at the data. There, and only there, times are held
at the point where the amplitude ratio α/σ (or σ/α) has fallen to the cut-off: the expected data and noise beyond
it are those at that point. Cutting on the ratio and not on t gives every path the same share of what is left out:
at the cut-off 0.001 the other part has a standard deviation of a thousandth. An end at which everything is finite
is used as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache

import torch
from torch import Tensor

from zigbench.interpolant.path import Path
from zigbench.interpolant.prediction import PARTS, definition, to_part
from zigbench.interpolant.state import PathState
from zigbench.interpolant.weighting import weight

Quantities = Callable[[PathState], Iterable[Tensor]]


def finite_range(path: Path, cutoff: float, quantities: Quantities) -> tuple[float, float]:
    """Least and greatest time at which the quantities may be evaluated.

    Args:
        path: the path.
        cutoff: amplitude ratio kept at an end where a quantity is not finite, in (0, 1).
        quantities: the coefficients that must be finite.
    """
    limits = []
    for end, log_snr in ((0.0, math.log(cutoff)), (1.0, -math.log(cutoff))):
        state = path.state(torch.tensor(end, dtype=torch.float64))
        if all(bool(value.isfinite()) for value in quantities(state)):
            limits.append(end)
        else:
            limits.append(float(path.time(torch.tensor(log_snr, dtype=torch.float64))))
    return limits[0], limits[1]


@lru_cache(maxsize=1024)
def conversion_range(path: Path, cutoff: float, prediction: str, targets: tuple[str, ...]) -> tuple[float, float]:
    """Times at which a prediction is defined and can be converted to all of ``targets``."""

    parts = {part for target in targets if target != prediction for part in PARTS[target]}

    def quantities(state: PathState) -> Iterable[Tensor]:
        yield from definition(prediction, state)
        for part in parts:
            yield from to_part(prediction, part, state)

    return finite_range(path, cutoff, quantities)


@lru_cache(maxsize=1024)
def definition_range(path: Path, cutoff: float, target: str) -> tuple[float, float]:
    """Times at which ``target`` has a finite share of data and noise."""
    return finite_range(path, cutoff, lambda state: definition(target, state))


@lru_cache(maxsize=1024)
def training_range(path: Path, cutoff: float, prediction: str, weighting: str) -> tuple[float, float]:
    """Times at which the target of the loss and its weight are finite."""

    def quantities(state: PathState) -> Iterable[Tensor]:
        yield from definition(prediction, state)
        yield weight(weighting, prediction, state)

    return finite_range(path, cutoff, quantities)
