"""Exact reach against sets, and the facts known about zigzag stacks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zigbench import scan


def by_sets(cycle: list[scan.ScanOrder], depth: int) -> list[np.ndarray]:
    """Return the pairs (from, to) that are reached after each layer, by Boolean matrices."""
    length = len(cycle[0])
    reached = np.eye(length, dtype=bool)
    layers = []
    for layer in range(depth):
        rank = cycle[layer % len(cycle)].rank
        reached = reached @ (rank[:, None] <= rank[None, :])
        layers.append(reached)
    return layers


@given(st.lists(st.permutations(range(6)), min_size=1, max_size=5))
@settings(max_examples=300)
def test_reach_of_any_orders(values: list[list[int]]) -> None:
    cycle = [scan.ScanOrder(np.array(v), curve="any", variant=0, grid=(2, 3)) for v in values]
    result = scan.reach(cycle)
    layers = by_sets(cycle, 60)
    complete = [k + 1 for k, reached in enumerate(layers) if reached.all()]
    assert result.layers == (complete[0] if complete else None)
    assert list(result.share) == pytest.approx([reached.mean() for reached in layers[: len(result.share)]])
    assert result.share[-1] == pytest.approx(layers[-1].mean())
    assert result.blind == (~layers[-1].all(axis=0)).sum()


@given(st.sampled_from(scan.names()), st.integers(1, 6), st.integers(1, 6), st.integers(1, 8))
def test_reach_of_curves(name: str, h: int, w: int, schemes: int) -> None:
    cycle = [scan.make_order(name, (h, w), v) for v in range(schemes)]
    complete = [k + 1 for k, reached in enumerate(by_sets(cycle, 80)) if reached.all()]
    assert scan.reach(cycle).layers == (complete[0] if complete else None)


@pytest.mark.parametrize("side", [2, 4, 5, 8, 16, 32])
def test_zigzag_as_published(side: int) -> None:
    reach = {n: scan.reach([scan.make_order("zigzag", (side, side), v) for v in range(n)]) for n in (1, 2, 4, 6, 8)}
    tokens = side * side
    # One scheme is causal for ever: of the ordered pairs, half and the diagonal. The last token alone sees everything.
    assert reach[1].layers is None
    assert reach[1].share == ((tokens + 1) / (2 * tokens),)
    assert reach[1].blind == tokens - 1
    # Two schemes both start at the top-left corner: that token never sees another.
    assert reach[2].layers is None
    assert reach[2].blind >= 1
    assert all(reach[n].layers is not None for n in (4, 6, 8))


def test_a_walk_and_its_reverse_reach_everything_in_two_layers() -> None:
    forward = scan.make_order("hilbert", (8, 8))
    backward = scan.ScanOrder(forward.order[::-1], curve="back", variant=0, grid=(8, 8))
    assert scan.reach([forward, backward]) == scan.Reach(layers=2, share=(65 / 128, 1.0), blind=0)


def test_one_token_is_reached_at_once() -> None:
    assert scan.reach([scan.make_order("sweep", (1, 1))]) == scan.Reach(layers=1, share=(1.0,), blind=0)


def test_unlike_grids_and_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        scan.reach([])
    with pytest.raises(ValueError, match="on one grid"):
        scan.reach([scan.make_order("sweep", (2, 3)), scan.make_order("sweep", (3, 2))])
