"""ScanOrder: a permutation with its inverse, or a refusal that names the first offending step."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zigbench.scan import ScanOrder


def scan_order(values: object, grid: tuple[int, ...] = (2, 3)) -> ScanOrder:
    return ScanOrder(np.asarray(values), curve="mine", variant=0, grid=grid)


@given(st.permutations(range(12)))
def test_rank_is_the_inverse_of_the_order(values: list[int]) -> None:
    order = scan_order(values, (3, 4))
    assert (order.rank[order.order] == np.arange(12)).all()
    assert (order.order[order.rank] == np.arange(12)).all()


@given(st.lists(st.integers(0, 7), min_size=8, max_size=8))
def test_the_first_repeated_step_is_named(values: list[int]) -> None:
    repeats = [k for k, token in enumerate(values) if token in values[:k]]
    if not repeats:
        assert len(scan_order(values, (2, 4))) == 8
        return
    step = repeats[0]
    with pytest.raises(ValueError) as error:
        scan_order(values, (2, 4))
    assert f"order[{step}] = {values[step]} repeats the token of step {values.index(values[step])};" in str(error.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0, 1, 2, 6, 4, -1], r"order\[3\] = 6 is outside 0 … 5"),
        ([0, 1, 2, 3, 4], "has 5 steps; the grid has 6 tokens"),
        ([[0, 1, 2], [3, 4, 5]], r"shape \(2, 3\)"),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "float64"),
    ],
)
def test_refusals_say_what_is_wrong(values: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        scan_order(values)


@pytest.mark.parametrize("grid", [(6,), (1, 1, 2, 3), (0, 6), (2.0, 3), 6, (True, 6)])
def test_grids_are_two_or_three_positive_integers(grid: object) -> None:
    with pytest.raises(ValueError, match="expected \\(height, width\\)"):
        scan_order(range(6), grid)  # type: ignore[arg-type]


def test_it_can_not_be_changed() -> None:
    source = np.arange(6)
    order = scan_order(source)
    source[0] = 5
    assert order.order[0] == 0
    with pytest.raises(ValueError):
        order.order[0] = 1
    with pytest.raises(ValueError):
        order.rank.setflags(write=True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        order.curve = "other"  # type: ignore[misc]


def test_copies_are_equal_and_read_only() -> None:
    order = scan_order([5, 3, 1, 0, 2, 4])
    for other in (pickle.loads(pickle.dumps(order)), copy.deepcopy(order)):
        assert other == order
        assert hash(other) == hash(order)
        assert not other.order.flags.writeable
        assert not other.rank.flags.writeable


def test_equality_is_by_value() -> None:
    order = scan_order([5, 3, 1, 0, 2, 4])
    assert order != scan_order([5, 3, 1, 0, 4, 2])
    assert order != dataclasses.replace(order, variant=1)
    assert order != "mine"
    assert order.digest == dataclasses.replace(order, variant=1).digest
    assert order.digest != scan_order([5, 3, 1, 0, 4, 2]).digest


def test_coordinates_are_row_major() -> None:
    assert scan_order([5, 3, 1, 0, 2, 4]).coordinates().tolist() == [[1, 2], [1, 0], [0, 1], [0, 0], [0, 2], [1, 1]]
    clip = scan_order(range(8), (2, 2, 2))
    assert clip.coordinates()[5].tolist() == [1, 0, 1]
