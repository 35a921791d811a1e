"""The number of layers after which every token has reached every token: exact, for a stack of forward scans.

A forward scan lets a token influence itself and every token visited later. If R is the set of tokens that x has
reached, the next layer turns it into everything from R's earliest member on: a suffix of that layer's order. So
after any layer, the tokens that x has reached are given by one number, the step m at which its suffix begins, and

    m' = min over j ≥ m of rank'[order[j]],

a look-up in the suffix minima of one layer's order as ranked by the next. A layer costs O(L), not O(L²).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zigbench.scan.order import ScanOrder


@dataclass(frozen=True)
class Reach:
    """The spread of information through a stack of layers that repeat a cycle of orders.

    Attributes:
        layers: number of layers after which every token has reached every token; None where that never happens.
        share: share of the L² ordered pairs (from, to) reached after layer 1, 2, …, up to the last layer that adds
            any. A token counts as having reached itself.
        blind: tokens that never see the whole image: not all tokens reach them, at any depth.
    """

    layers: int | None
    share: tuple[float, ...]
    blind: int


def reach(cycle: Sequence[ScanOrder]) -> Reach:
    """Return the spread of information when layer i scans forward in ``cycle[i % len(cycle)]``.

    Args:
        cycle: orders on one grid.

    Raises:
        ValueError: no orders, or orders on different grids.
    """
    if not cycle:
        raise ValueError("reach needs at least one order")
    if len({order.grid for order in cycle}) > 1:
        raise ValueError(f"reach needs orders on one grid; got {sorted({order.grid for order in cycle})}")
    length = len(cycle[0])
    shares: list[float] = []
    start = np.array(cycle[0].rank)
    unchanged = 0
    layer = 0
    # Reached sets only grow. Once a whole cycle adds nothing, no later layer can.
    while True:
        shares.append(float((length - start).sum() / length**2))
        if not start.any():
            return Reach(layers=layer + 1, share=tuple(shares), blind=0)
        if len(shares) > 1:
            unchanged = unchanged + 1 if shares[-1] == shares[-2] else 0
        if unchanged == len(cycle):
            break
        before, after = cycle[layer % len(cycle)], cycle[(layer + 1) % len(cycle)]
        ranks = after.rank[before.order]
        suffix_minimum = np.minimum.accumulate(ranks[::-1])[::-1]
        start = suffix_minimum[start]
        layer += 1
    # Token y at step k is reached by every x with a suffix that begins at or before k: blind are the earlier steps.
    return Reach(layers=None, share=tuple(shares[:-unchanged]), blind=int(start.max()))
