"""The distributions that the tests need, in closed form for whole degrees of freedom.

scipy has them all and takes longer to import than a page to write; this room's tests hold these against scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from statistics import NormalDist

import numpy as np

NORMAL = NormalDist()


def student_tail(t: float, freedom: int) -> float:
    """P(T > t) of Student's distribution to 1e-15: a finite sum over θ = arctan(t/√ν).

    Abramowitz and Stegun, 26.7.3 for odd ν and 26.7.4 for even.
    """
    if t < 0:
        return 1 - student_tail(-t, freedom)
    rest = math.atan2(math.sqrt(freedom), t)  # π/2 − θ.
    sine, cosine = math.cos(rest), math.sin(rest)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for j in range(2 + odd, freedom, 2):
        term *= cosine**2 * (j - 1) / j
        total += term
    inside = 1 - 2 / math.pi * (rest - sine * total) if odd else sine * total
    return max(0.0, (1 - inside) / 2)


@cache
def student_quantile(share: float, freedom: int) -> float:
    """The t that a ``share`` of Student's distribution lies below, for a share above one half."""
    high = 1.0
    while student_tail(high, freedom) > 1 - share:
        high *= 2
    return _bisect(lambda t: 1 - student_tail(t, freedom), share, high)


def chi_squared_tail(x: float, freedom: int) -> float:
    """P(χ² > x): a finite sum of Poisson terms, of halves where ν is odd (Abramowitz and Stegun, 26.4.4 and 5)."""
    odd = freedom % 2
    total = math.erfc(math.sqrt(x / 2)) if odd else math.exp(-x / 2)
    term = math.sqrt(2 * x / math.pi) * math.exp(-x / 2) if odd else math.exp(-x / 2) * x / 2
    for j in range(4 - odd, freedom + 1, 2):
        total += term
        term *= x / j
    return total


@cache
def studentized_range(share: float, k: int) -> float:
    """Quantile of the range of ``k`` standard normal variables, to seven digits.

    P(range ≤ q) = k ∫ φ(z) (Φ(z) − Φ(z − q))ᵏ⁻¹ dz: one of the k is the greatest, at z, and the others lie within q.
    """
    z = np.linspace(-9.0, 9.0, 1001)
    density, below = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi), _normal(z)

    def reached(q: float) -> float:
        return k * float((density * (below - _normal(z - q)) ** (k - 1)).sum() * (z[1] - z[0]))

    return _bisect(reached, share, 16.0)


def _normal(z: np.ndarray) -> np.ndarray:
    return np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in z])


def _bisect(rising: Callable[[float], float], level: float, high: float) -> float:
    """Where a rising function of [0, high] passes ``level``, to 1e-10 of ``high``."""
    low, width = 0.0, high
    while high - low > 1e-10 * width:
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > level else (middle, high)
    return (low + high) / 2
