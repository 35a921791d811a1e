"""How a cost grows with a size, and where one overtakes another: pure functions of measured figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from zigbench.report.statistics import power_law


def fit_slope(patches: Sequence[float], values: Sequence[float]) -> tuple[float, float, float]:
    """Exponent of the power law through the values, with its 95 % interval; NaN for that of fewer than three.

    A slope of 1 is a cost in proportion to the patches, of 2 to their square; of speeds, −1 and −2.

    Raises:
        ValueError: fewer than two sizes with a positive value.
    """
    law = power_law(patches, values)
    return law.exponent, law.low, law.high


def crossover(patches: Sequence[float], a: Sequence[float], b: Sequence[float]) -> float | None:
    """Size from which on ``a`` exceeds ``b`` up to the largest measured; None where that begins within no interval.

    Between two sizes the ratio a/b is taken to be a power of the size. Sizes that either lacks are left out. None
    says nothing of the order: a may exceed b everywhere, or nowhere at the end.

    Args:
        patches: sizes, in any order.
        a, b: figures at those sizes, such as images a second; NaN where there is none.
    """
    known = sorted((n, math.log(x / y)) for n, x, y in zip(patches, a, b, strict=True) if x > 0 and y > 0)
    last_below = max((i for i, (_, ratio) in enumerate(known) if ratio <= 0), default=-1)
    if last_below < 0 or last_below == len(known) - 1:
        return None
    (n, before), (m, after) = known[last_below : last_below + 2]
    return math.exp(math.log(n) + math.log(m / n) * before / (before - after))
