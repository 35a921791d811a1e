"""Cut-offs: the range of times of a path within which its quantities are finite.

Some quantities have no finite coefficients at an end: the noise does not determine the data where α = 0, the score is
infinite where σ = 0, the velocity of VP is infinite at the data. There, and only there, times are clamped at the point
where the amplitude ratio α/σ (or σ/α) has fallen to the cut-off: the expected data and noise beyond it are those at
that point. Cutting on the ratio and not on t cuts the same share off every path: at the cut-off 0.001 the other part
has a standard deviation of a thousandth. An end at which everything is finite is not cut.

A cut-off is a pair (least α/σ, least σ/α), for the noise's end and the data's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache

import torch
from torch import Tensor

from zigbench.interpolant.path import Path
from zigbench.interpolant.prediction import MEMBERS, to_part
from zigbench.interpolant.state import PathState
from zigbench.interpolant.weighting import weight

Cutoff = tuple[float, float]

TRAINING: Cutoff = (1e-3, 1e-3)
"""The cut-off of training and of conversions: the formulas hold for all but a thousandth of the path."""

SAMPLING: Cutoff = (0.03, 0.01)
"""The cut-off of sampling.

A conversion multiplies the network's error by the inverse of the cut-off, and a solver's first step mistakes it for
signal: with 0.001 the first Euler step from a predicted noise is far off. Clamping the expected data and noise has an
error of the order of the cut-off's square at the noise, and of one of 256 grey levels at the data.
"""

Quantities = Callable[[PathState], Iterable[Tensor]]


def finite_range(path: Path, cutoff: Cutoff, quantities: Quantities) -> tuple[float, float]:
    """Return the least and the greatest time at which the quantities may be evaluated.

    Args:
        path: the path.
        cutoff: amplitude ratios kept at an end where a quantity is not finite, in (0, 1).
        quantities: the coefficients that must be finite.
    """
    limits = []
    for end, log_snr in ((0.0, math.log(cutoff[0])), (1.0, -math.log(cutoff[1]))):
        state = path.state(torch.tensor(end, dtype=torch.float64))
        if all(bool(value.isfinite()) for value in quantities(state)):
            limits.append(end)
        else:
            limits.append(float(path.time(torch.tensor(log_snr, dtype=torch.float64))))
    return limits[0], limits[1]


def as_cutoff(cutoff: float | Cutoff) -> Cutoff:
    """Return a cut-off as a pair, given one ratio for both ends or a pair.

    Raises:
        ValueError: a ratio outside (0, 1).
    """
    noise, data = (cutoff, cutoff) if isinstance(cutoff, int | float) else cutoff
    if not (0 < noise < 1 and 0 < data < 1):
        raise ValueError(f"cutoff is {cutoff}; it must lie between 0 and 1")
    return float(noise), float(data)


@lru_cache(maxsize=1024)
def conversion_range(path: Path, cutoff: Cutoff, prediction: str, targets: tuple[str, ...]) -> tuple[float, float]:
    """Return the range of times in which a prediction is defined and can be converted to all of ``targets``."""

    parts = {part for target in targets if target != prediction for part in MEMBERS[target].parts}

    def quantities(state: PathState) -> Iterable[Tensor]:
        yield from MEMBERS[prediction].definition(state)
        for part in parts:
            yield from to_part(prediction, part, state)

    return finite_range(path, cutoff, quantities)


@lru_cache(maxsize=1024)
def definition_range(path: Path, cutoff: Cutoff, target: str) -> tuple[float, float]:
    """Return the range of times in which ``target`` has a finite share of data and noise."""
    return finite_range(path, cutoff, MEMBERS[target].definition)


@lru_cache(maxsize=1024)
def training_range(path: Path, cutoff: Cutoff, prediction: str, weighting: str) -> tuple[float, float]:
    """Return the range of times in which the target of the loss and its weight are finite."""

    def quantities(state: PathState) -> Iterable[Tensor]:
        yield from MEMBERS[prediction].definition(state)
        yield weight(weighting, prediction, state)

    return finite_range(path, cutoff, quantities)
