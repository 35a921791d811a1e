"""The eight variants: the reference table literally, and the laws of the symmetries on every rectangle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zigbench import scan

# The eight zigzags on 4×4.
TABLE = """
0 1 2 3 7 6 5 4 8 9 10 11 15 14 13 12
0 4 8 12 13 9 5 1 2 6 10 14 15 11 7 3
3 2 1 0 4 5 6 7 11 10 9 8 12 13 14 15
3 7 11 15 14 10 6 2 1 5 9 13 12 8 4 0
12 13 14 15 11 10 9 8 4 5 6 7 3 2 1 0
12 8 4 0 1 5 9 13 14 10 6 2 3 7 11 15
15 14 13 12 8 9 10 11 7 6 5 4 0 1 2 3
15 11 7 3 2 6 10 14 13 9 5 1 0 4 8 12
"""
WORDS = [
    "top-left, rows →",
    "top-left, columns ↓",
    "top-right, rows ←",
    "top-right, columns ↓",
    "bottom-left, rows →",
    "bottom-left, columns ↑",
    "bottom-right, rows ←",
    "bottom-right, columns ↑",
]
sides = st.integers(1, 12)
# The released Hilbert inverts each variant of Hilbert, and random draws each: their variants are not images of one.
symmetric = st.sampled_from([name for name in scan.names() if name not in ("random", "hilbert-released")])


@pytest.mark.parametrize("variant", range(8))
def test_reference_table(variant: int) -> None:
    expected = [int(word) for word in TABLE.split("\n")[variant + 1].split()]
    assert scan.make_order("zigzag", (4, 4), variant).order.tolist() == expected
    assert scan.symmetry(variant).description == WORDS[variant]


@given(symmetric, sides, sides, st.integers(0, 3))
def test_odd_variants_are_the_transpose_built_on_the_transposed_grid(name: str, h: int, w: int, half: int) -> None:
    # Transposing swaps the two mirrors: variant 2b + 1 on (h, w) is the transpose of b with its bits swapped.
    right, bottom = half & 1, half >> 1
    there = scan.make_order(name, (w, h), 2 * (right << 1 | bottom))
    here = scan.make_order(name, (h, w), 2 * half + 1)
    y, x = there.coordinates().T
    assert (here.order == x * w + y).all()


@given(symmetric, sides, sides)
def test_even_variants_are_mirrors(name: str, h: int, w: int) -> None:
    y, x = scan.make_order(name, (h, w), 0).coordinates().T
    assert (scan.make_order(name, (h, w), 2).order == y * w + (w - 1 - x)).all()
    assert (scan.make_order(name, (h, w), 4).order == (h - 1 - y) * w + x).all()
    assert (scan.make_order(name, (h, w), 6).order == (h - 1 - y) * w + (w - 1 - x)).all()


@pytest.mark.parametrize(
    ("side", "pairs"),
    [
        (4, [(0, 4), (1, 3), (2, 6), (5, 7)]),
        (5, [(0, 6), (1, 7), (2, 4), (3, 5)]),
        (16, [(0, 4), (1, 3), (2, 6), (5, 7)]),
    ],
)
def test_reversal_pairs_of_zigzag(side: int, pairs: list[tuple[int, int]]) -> None:
    assert scan.reversals("zigzag", (side, side)) == pairs


@given(st.integers(2, 9), st.integers(2, 9))
def test_a_rectangle_has_eight_zigzags_as_a_square_has(h: int, w: int) -> None:
    assert scan.duplicates("zigzag", (h, w)) == {}


def test_duplicates_are_named() -> None:
    assert scan.duplicates("zigzag", (1, 5)) == {
        ("zigzag", 1): ("zigzag", 0),
        ("zigzag", 3): ("zigzag", 2),
        ("zigzag", 4): ("zigzag", 0),
        ("zigzag", 5): ("zigzag", 0),
        ("zigzag", 6): ("zigzag", 2),
        ("zigzag", 7): ("zigzag", 2),
    }
    across = scan.duplicates(["anti-diagonal", "diagonal"], (5, 7))
    assert across[("diagonal", 0)] == ("anti-diagonal", 2)


@given(st.integers(1, 4), sides, sides, st.integers(0, 7))
def test_a_box_has_the_images_symmetry_in_every_frame_and_time_by_parity(t: int, h: int, w: int, variant: int) -> None:
    flat = scan.make_order("sweep", (h, w), variant).order
    frames = np.arange(t) if variant.bit_count() % 2 == 0 else np.arange(t)[::-1]
    expected = (frames[:, None] * h * w + flat).reshape(-1)
    assert (scan.make_order("sweep", (t, h, w), variant).order == expected).all()


@pytest.mark.parametrize("schemes", [2, 4, 6, 8])
def test_time_runs_each_way_equally_often(schemes: int) -> None:
    assert sum(scan.symmetry(v).backward for v in range(schemes)) == schemes // 2


@pytest.mark.parametrize("variant", [-1, 8, 1.0, "0", True, None])
def test_variants_outside_the_eight_are_refused(variant: object) -> None:
    with pytest.raises(ValueError, match="expected an integer from 0 to 7"):
        scan.make_order("zigzag", (4, 4), variant)  # type: ignore[arg-type]
