"""Every curve on every rectangle: a permutation, continuous exactly where its rule says, equal to closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zigbench import scan

CONTINUOUS = ("zigzag", "hilbert", "moore", "peano", "spiral", "rings", "spiral[outward=true]", "rings[outward=true]")
WITH_PARAMETERS = ("blocked[inner=hilbert,outer=spiral,size=3]", "windowed[size=5]", "spiral[outward=true]")
sides = st.integers(1, 40)
variants = st.integers(0, 7)


@given(st.sampled_from([*scan.names(), *WITH_PARAMETERS]), sides, sides, variants, st.integers(0, 9))
@settings(max_examples=400)
def test_every_curve_is_a_permutation_of_every_rectangle(name: str, h: int, w: int, variant: int, seed: int) -> None:
    order = scan.make_order(name, (h, w), variant, seed=seed)
    assert sorted(order.order.tolist()) == list(range(h * w))
    assert (order.rank[order.order] == np.arange(h * w)).all()


@given(st.sampled_from(CONTINUOUS), sides, sides, variants)
@settings(max_examples=400)
def test_continuous_curves_are_so_on_every_rectangle(name: str, h: int, w: int, variant: int) -> None:
    assert (scan.make_order(name, (h, w), variant).jumps() == 1).all()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuity_on_all_small_rectangles(name: str) -> None:
    faulty = [(h, w) for h in range(1, 24) for w in range(1, 24) if (scan.make_order(name, (h, w)).jumps() != 1).any()]
    assert faulty == []


@given(sides, sides)
def test_hilbert_ends_where_the_chessboard_allows(h: int, w: int) -> None:
    order = scan.make_order("hilbert", (h, w)).order
    assert order[0] == 0
    # A walk from corner to corner along the top alternates colours: it exists for w even, or both sides odd.
    if (w % 2 == 0 or h % 2 == 1) and (w > 1 or h == 1):
        assert order[-1] == w - 1
    else:
        assert order[-1] // w == h - 1


def classical_hilbert(levels: int) -> list[tuple[int, int]]:
    """Hilbert's curve by rotating quadrants, bit by bit: (x, y) of each step, from (0, 0) to (side − 1, 0)."""
    side = 1 << levels
    cells = []
    for step in range(side * side):
        x = y = 0
        rest, size = step, 1
        while size < side:
            right = 1 & (rest // 2)
            up = 1 & (rest ^ right)
            if up == 0:
                if right:
                    x, y = size - 1 - x, size - 1 - y
                x, y = y, x
            x, y = x + size * right, y + size * up
            rest //= 4
            size *= 2
        cells.append((x, y))
    return cells


@pytest.mark.parametrize("levels", range(7))
def test_on_powers_of_two_it_is_hilberts_own(levels: int) -> None:
    side = 1 << levels
    expected = [y * side + x for x, y in classical_hilbert(levels)]
    # Two enantiomers exist: starting along the row or along the column. Levels of one parity match each.
    orders = [scan.make_order("hilbert", (side, side), v).order.tolist() for v in (0, 1)]
    assert expected in orders


@pytest.mark.parametrize("variant", range(8))
def test_the_released_hilbert_is_the_inverse(variant: int) -> None:
    right = scan.make_order("hilbert", (32, 32), variant)
    released = scan.make_order("hilbert-released", (32, 32), variant)
    assert (released.order == right.rank).all()
    figures = scan.statistics(released)
    assert round(100 * figures["continuity"], 1) == 48.5
    assert 6.6 <= figures["mean_jump"] <= 7.1
    assert 34 <= figures["max_jump"] <= 61
    assert scan.statistics(right)["continuity"] == 1.0


@pytest.mark.parametrize("side", [4, 8, 16])
def test_the_released_table_turns_the_transposed_ranks_quarter_by_quarter(side: int) -> None:
    table = scan.make_order("hilbert", (side, side)).rank.reshape(side, side).T
    for k in range(8):
        turned = np.rot90(table, k // 2)
        expected = turned.T if k % 2 else turned
        order = scan.make_order("hilbert-released[numbering=release]", (side, side), k)
        assert order.order.tolist() == expected.flatten().tolist()


def test_both_numberings_of_the_released_hilbert_hold_the_same_orders() -> None:
    held = [
        {tuple(scan.make_order(name, (4, 6), k).order.tolist()) for k in range(8)}
        for name in ("hilbert-released", "hilbert-released[numbering=release]")
    ]
    assert held[0] == held[1]
    assert scan.canonical("hilbert-released[numbering=symmetries]") == "hilbert-released"
    with pytest.raises(ValueError, match="expected symmetries or release"):
        scan.make_order("hilbert-released[numbering=rows]", (4, 4))


@given(sides, sides, variants)
def test_moore_closes_exactly_where_a_closed_walk_exists(h: int, w: int, variant: int) -> None:
    order = scan.make_order("moore", (h, w), variant)
    closable = (h * w) % 2 == 0 and min(h, w) > 1
    assert bool(scan.statistics(order)["closed"]) == (closable or h * w == 1 or h * w == 2)


def peano_by_digits(levels: int) -> list[tuple[int, int]]:
    """Peano's own formula: ternary digits of the step, each complemented by the sum of the other axis's digits."""
    cells = []
    for step in range(9**levels):
        digits = [step // 3**k % 3 for k in reversed(range(2 * levels))]
        y = x = 0
        for k, digit in enumerate(digits):
            flip = sum(digits[i] for i in range(k) if (k - i) % 2 == 1) % 2
            value = 2 - digit if flip else digit
            y, x = (3 * y + value, x) if k % 2 == 0 else (y, 3 * x + value)
        cells.append((y, x))
    return cells


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_on_powers_of_three_it_is_peanos_own(levels: int) -> None:
    side = 3**levels
    expected = [y * side + x for y, x in peano_by_digits(levels)]
    assert scan.make_order("peano", (side, side)).order.tolist() == expected


@given(sides, sides)
def test_peano_crosses_to_the_opposite_corner_unless_both_sides_are_even(h: int, w: int) -> None:
    order = scan.make_order("peano", (h, w)).order
    assert order[0] == 0
    both_even = h % 2 == 0 and w % 2 == 0
    assert order[-1] == (w - 1 if both_even else h * w - 1)


@given(st.integers(1, 40), st.integers(2, 40), variants)
def test_sweep_has_its_closed_form(h: int, w: int, variant: int) -> None:
    # Rows are the primary direction of even variants, columns of odd ones.
    rows, length = (h, w) if variant % 2 == 0 else (w, h)
    figures = scan.statistics(scan.make_order("sweep", (h, w), variant))
    expected = 1.0 if length == 1 else (h * w - rows) / (h * w - 1)
    assert figures["continuity"] == pytest.approx(expected)
    assert scan.make_order("raster", (h, w), variant).digest == scan.make_order("sweep", (h, w), variant).digest


def test_published_figures_of_sweep_at_32() -> None:
    figures = scan.statistics(scan.make_order("sweep", (32, 32)))
    assert round(figures["continuity"], 2) == 0.97
    assert round(figures["mean_jump"], 1) == 1.9
    assert figures["max_jump"] == 32


@given(st.integers(0, 4), st.integers(0, 4))
def test_z_order_interleaves_bits(a: int, b: int) -> None:
    y, x = scan.make_order("z-order", (1 << a, 1 << b)).coordinates().T
    code = sum(((y >> k & 1) << 2 * k + 1) + ((x >> k & 1) << 2 * k) for k in range(5))
    assert (np.diff(code) > 0).all()


@given(sides, sides)
def test_rings_are_visited_from_outside_in(h: int, w: int) -> None:
    for name in ("spiral", "rings"):
        y, x = scan.make_order(name, (h, w)).coordinates().T
        ring = np.minimum(np.minimum(y, x), np.minimum(h - 1 - y, w - 1 - x))
        assert (np.diff(ring) >= 0).all()
        outward = scan.make_order(f"{name}[outward=true]", (h, w)).order
        assert (outward[::-1] == scan.make_order(name, (h, w)).order).all()


@given(st.integers(2, 20), st.integers(2, 20))
def test_the_spiral_turns_one_way_and_rings_turn_both(h: int, w: int) -> None:
    def turns(name: str) -> set[int]:
        step = np.diff(scan.make_order(name, (h, w)).coordinates(), axis=0)
        cross = step[:-1, 1] * step[1:, 0] - step[:-1, 0] * step[1:, 1]
        return set(cross.tolist()) - {0}

    assert turns("spiral") == {1}
    if min(h, w) > 4:
        assert turns("rings") == {1, -1}


@given(sides, sides)
def test_diagonals_keep_their_line(h: int, w: int) -> None:
    y, x = scan.make_order("anti-diagonal", (h, w)).coordinates().T
    assert (np.diff(y + x) >= 0).all()
    y, x = scan.make_order("diagonal", (h, w)).coordinates().T
    assert (np.diff(y - x) >= 0).all()


def test_anti_diagonal_is_the_order_of_jpeg() -> None:
    first = [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5]
    assert scan.make_order("anti-diagonal", (8, 8)).order[:16].tolist() == first


@given(sides, sides, st.integers(1, 9), st.sampled_from(["zigzag", "hilbert", "spiral"]), variants)
def test_blocks_are_finished_one_by_one(h: int, w: int, size: int, outer: str, variant: int) -> None:
    name = f"blocked[inner=hilbert,outer={outer},size={size}]"
    y, x = scan.make_order(name, (h, w)).coordinates().T
    across = -(-w // size)
    block = y // size * across + x // size
    visited = block[np.concatenate([[True], np.diff(block) != 0])]
    assert (visited == scan.make_order(outer, (-(-h // size), across)).order).all()


def test_windowed_rows_inside_windows() -> None:
    assert scan.make_order("windowed[size=2]", (2, 4)).order.tolist() == [0, 1, 4, 5, 2, 3, 6, 7]
    with pytest.raises(ValueError, match="side of at least 1"):
        scan.make_order("blocked[size=0]", (4, 4))


def test_random_orders_follow_seed_and_variant() -> None:
    draws = {(s, v): scan.make_order("random", (8, 8), v, seed=s).digest for s in range(3) for v in range(8)}
    assert len(set(draws.values())) == len(draws)
    scan.clear_cache()
    assert scan.make_order("random", (8, 8), 3, seed=2).digest == draws[2, 3]
