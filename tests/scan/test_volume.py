"""Curves of clips: permutations of every box, continuous where they say so, balanced over time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zigbench import scan
from zigbench.scan.curves.boxes import feasible, walk

sides = st.integers(1, 9)
variants = st.integers(0, 7)


@given(st.sampled_from(scan.names(3)), sides, sides, sides, variants)
def test_every_curve_is_a_permutation_of_every_box(name: str, t: int, h: int, w: int, variant: int) -> None:
    order = scan.make_order(name, (t, h, w), variant)
    assert sorted(order.order.tolist()) == list(range(t * h * w))


@given(st.sampled_from(["zigzag", "hilbert", "product"]), sides, sides, sides, variants)
def test_continuous_on_every_box(name: str, t: int, h: int, w: int, variant: int) -> None:
    assert (scan.make_order(name, (t, h, w), variant).jumps() == 1).all()


def test_the_walk_exists_for_every_feasible_box() -> None:
    for shape in itertools.product(range(1, 10), repeat=3):
        if not feasible(shape):
            continue
        path = walk(shape)
        assert len(np.unique(path, axis=0)) == np.prod(shape)
        assert (np.abs(np.diff(path, axis=0)).sum(axis=1) == 1).all()
        assert path[0].tolist() == [0, 0, 0]
        assert path[-1].tolist() == [shape[0] - 1, 0, 0]


def test_infeasible_boxes_are_those_the_chessboard_forbids() -> None:
    for a, b, c in itertools.product(range(1, 6), repeat=3):
        # The end has the colour of (a − 1): it must differ from the start's when the count is even, else agree.
        colours_agree = (a - 1) % 2 == (a * b * c - 1) % 2
        same_cell = a == 1 and b * c > 1
        assert feasible((a, b, c)) == (colours_agree and not same_cell)


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_hilbert_on_a_cube_finishes_octant_after_octant(levels: int) -> None:
    side = 1 << levels
    places = scan.make_order("hilbert", (side, side, side)).coordinates()
    for size in (side >> k for k in range(1, levels + 1)):
        octant = (places // size).reshape(-1, size**3, 3)
        assert (octant == octant[:, :1]).all()


@given(st.integers(2, 6), st.integers(2, 6), st.integers(2, 6))
def test_eight_distinct_zigzags(t: int, h: int, w: int) -> None:
    assert scan.duplicates("zigzag", (t, h, w)) == {}


@given(sides, sides, sides)
def test_the_zigzag_walks_odd_frames_back(t: int, h: int, w: int) -> None:
    flat = scan.make_order("zigzag", (h, w)).order
    frames = scan.make_order("zigzag", (t, h, w)).order.reshape(t, -1)
    for index, frame in enumerate(frames):
        assert (frame - index * h * w == (flat if index % 2 == 0 else flat[::-1])).all()


@pytest.mark.parametrize("spatial", ["hilbert", "spiral", "random"])
def test_products_over_time_and_over_space(spatial: str) -> None:
    t, h, w = 3, 4, 5
    flat = scan.make_order(spatial, (h, w)).order
    swept = scan.make_order(f"product[spatial={spatial},temporal=sweep]", (t, h, w))
    assert (swept.order.reshape(t, -1) == flat + np.arange(t)[:, None] * h * w).all()
    inner = scan.make_order(f"product[spatial={spatial},temporal=sweep,inner=time]", (t, h, w))
    assert (inner.order.reshape(-1, t) == flat[:, None] + np.arange(t) * h * w).all()
    turning = scan.make_order(f"product[spatial={spatial},inner=time]", (t, h, w)).order.reshape(-1, t)
    assert (turning[1::2] == inner.order.reshape(-1, t)[1::2, ::-1]).all()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("product[temporal=spiral]", "expected sweep or zigzag"),
        ("product[inner=frames]", "expected space or time"),
        ("moore", r"product\[spatial=moore\]"),
        ("hilbrt", "did you mean 'hilbert'"),
    ],
)
def test_errors_say_what_to_write(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        scan.make_order(name, (2, 4, 4))


def test_a_clips_curve_on_an_image_is_refused() -> None:
    with pytest.raises(ValueError, match="is for clips"):
        scan.make_order("product", (4, 4))


def test_from_two_schemes_on_every_token_of_a_clip_is_reached() -> None:
    for n in (2, 4, 6, 8):
        assert scan.reach([scan.make_order("zigzag", (4, 6, 6), v) for v in range(n)]).layers is not None
