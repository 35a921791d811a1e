"""Statistics of a scan order: the length of its steps, and the steps between tokens that lie together.

Distances on the grid are Manhattan distances; a *neighbour* is at distance 1. A grid of one token has no steps: it
counts as continuous and closed, and its distances are 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from zigbench.scan.order import IntArray, ScanOrder

FloatArray = npt.NDArray[np.float64]

# Beyond so many tokens, the distance at every lag costs more than a second: lags are then spaced logarithmically.
EVERY_LAG = 8192
LOG_LAGS = 128

# Lags over which ``near_distance`` averages.
NEAR = 64

UNITS = {
    "continuity": "share of steps",
    "mean_jump": "grid units",
    "p95_jump": "grid units",
    "max_jump": "grid units",
    "horizontal": "share of steps",
    "vertical": "share of steps",
    "temporal": "share of steps",
    "closing_jump": "grid units",
    "closed": "0 or 1",
    "near_distance": "grid units",
    "neighbour_gap": "steps",
    "max_neighbour_gap": "steps",
}


def statistics(order: ScanOrder) -> dict[str, float]:
    """Return the named statistics of one order.

    Returns:
        - ``continuity``: share of steps that go to a neighbour;
        - ``mean_jump``, ``p95_jump``, ``max_jump``: mean, 95th percentile and longest step;
        - ``horizontal``, ``vertical`` (and ``temporal`` for a box): share of steps that change only that coordinate;
        - ``closing_jump``: distance from the last token to the first; ``closed``: 1.0 where it is 1;
        - ``near_distance``: mean grid distance of tokens k steps apart, averaged over k = 1 … min(64, L − 1);
        - ``neighbour_gap``, ``max_neighbour_gap``: mean and largest number of steps between grid neighbours.
    """
    places = order.coordinates()
    steps = np.abs(np.diff(places, axis=0))
    length = order.jumps()
    closing = int(np.abs(places[-1] - places[0]).sum())
    gaps = neighbour_gaps(order)
    single = len(length) == 0
    names = ("vertical", "horizontal") if len(order.grid) == 2 else ("temporal", "vertical", "horizontal")
    along = {
        name: 0.0 if single else float(np.mean((length > 0) & (steps[:, axis] == length)))
        for axis, name in enumerate(names)
    }
    near = locality(order, range(1, min(NEAR, len(order) - 1) + 1))[1]
    return {
        "continuity": 1.0 if single else float(np.mean(length == 1)),
        "mean_jump": 0.0 if single else float(length.mean()),
        "p95_jump": 0.0 if single else float(np.percentile(length, 95)),
        "max_jump": 0.0 if single else float(length.max()),
        "horizontal": along["horizontal"],
        "vertical": along["vertical"],
        **({"temporal": along["temporal"]} if "temporal" in along else {}),
        "closing_jump": float(closing),
        "closed": float(single or closing == 1),
        "near_distance": float(near.mean()) if len(near) else 0.0,
        "neighbour_gap": float(gaps.mean()) if len(gaps) else 0.0,
        "max_neighbour_gap": float(gaps.max()) if len(gaps) else 0.0,
    }


def neighbour_gaps(order: ScanOrder) -> IntArray:
    """Return the steps between the two tokens of every pair of grid neighbours, shape (pairs,)."""
    rank = order.rank.reshape(order.grid)
    pairs = [np.abs(np.diff(rank, axis=axis)).reshape(-1) for axis in range(rank.ndim)]
    return np.concatenate(pairs)


def locality(order: ScanOrder, lags: Sequence[int] | None = None) -> tuple[IntArray, FloatArray]:
    """Return the mean grid distance of tokens k steps apart.

    Args:
        order: L tokens.
        lags: the k to use, 1 … L − 1. By default every one up to 8,192 tokens, else 128 spaced logarithmically.

    Returns:
        the lags, shape (K,), and the mean Manhattan distance over all pairs at each, shape (K,).

    Raises:
        ValueError: a lag outside 1 … L − 1.
    """
    length = len(order)
    if lags is None:
        if length <= EVERY_LAG:
            chosen = np.arange(1, length, dtype=np.int64)
        else:
            chosen = np.unique(np.geomspace(1, length - 1, LOG_LAGS).astype(np.int64))
    else:
        chosen = np.asarray(list(lags), dtype=np.int64)
        if len(chosen) and not (chosen.min() >= 1 and chosen.max() < length):
            raise ValueError(f"lags run from 1 to {length - 1} on {length} tokens; got {chosen.min()} … {chosen.max()}")
    # Each axis on its own in a narrow type: the loop is bound by memory, not by arithmetic.
    axes = [np.ascontiguousarray(column, dtype=np.int32) for column in order.coordinates().T]
    means = np.empty(len(chosen), dtype=np.float64)
    for position, lag in enumerate(chosen):
        total = sum(int(np.abs(axis[lag:] - axis[:-lag]).sum(dtype=np.int64)) for axis in axes)
        means[position] = total / (length - lag)
    return chosen, means
