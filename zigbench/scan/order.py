"""A scan order: the permutation in which a network visits the tokens of a grid, checked when it is created."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from zigbench.spec.files import sha256

IntArray = npt.NDArray[np.int64]
Grid = tuple[int, ...]


def check_grid(grid: Any) -> Grid:
    """Return ``grid`` as a tuple of Python ints: (height, width) or (frames, height, width), each at least 1.

    Raises:
        ValueError: another number of sides, or a side that is not a positive integer.
    """
    try:
        sides = tuple(grid)
    except TypeError:
        sides = ()
    whole = all(isinstance(s, int | np.integer) and not isinstance(s, bool) and s >= 1 for s in sides)
    if len(sides) not in (2, 3) or not whole:
        raise ValueError(
            f"grid = {grid!r}: expected (height, width) or (frames, height, width), each an integer of at least 1"
        )
    return tuple(int(s) for s in sides)


def grid_text(grid: Grid) -> str:
    """Return ``(4, 16, 16)`` as ``"4x16x16"``."""
    return "x".join(str(side) for side in grid)


def frozen(values: IntArray) -> IntArray:
    """Return a copy that can't be made writeable again: its memory belongs to an immutable bytes object."""
    return np.frombuffer(np.ascontiguousarray(values, dtype=np.int64).tobytes(), dtype=np.int64)


def inverse_permutation(values: npt.ArrayLike, length: int, name: str) -> tuple[IntArray, IntArray]:
    """Return ``(order, rank)`` with ``rank[order] == arange(length)``, both int64 of shape (length,).

    Args:
        values: the order: ``values[k]`` is the natural (row-major) index of the token visited at step k.
        length: number of tokens, L.
        name: the checked order, as the first words of the error.

    Raises:
        ValueError: not one-dimensional, not integer, not of the length, or not a permutation of 0 … L − 1; then
            the first offending step is named.
    """
    order = np.asarray(values)
    if order.ndim != 1:
        raise ValueError(f"{name}: the order has shape {order.shape}; expected one dimension of {length} tokens")
    if order.dtype.kind not in "iu":
        raise ValueError(f"{name}: the order holds {order.dtype} values; expected integers")
    if len(order) != length:
        raise ValueError(f"{name}: the order has {len(order)} steps; the grid has {length} tokens")
    if order.min() < 0 or order.max() >= length:
        step = int(np.argmax((order < 0) | (order >= length)))
        raise ValueError(f"{name}: order[{step}] = {order[step]} is outside 0 … {length - 1}")
    order = order.astype(np.int64, copy=False)
    steps = np.arange(length, dtype=np.int64)
    rank = np.empty(length, dtype=np.int64)
    rank[order] = steps
    if not np.array_equal(rank[order], steps):
        # Written again from the last step to the first, so that a token that comes twice keeps its first step.
        rank[order[::-1]] = steps[::-1]
        step = int(np.argmax(rank[order] != steps))
        token = int(order[step])
        raise ValueError(
            f"{name}: order[{step}] = {token} repeats the token of step {rank[token]}; "
            f"an order visits each of the {length} tokens once"
        )
    return order, rank


@dataclass(frozen=True, eq=False)
class ScanOrder:
    """The order in which the tokens of a grid are visited, and its inverse. Immutable.

    Attributes:
        order: shape (L,), int64, read-only: ``order[k]`` = natural (row-major) index of the token at step k.
        rank: shape (L,), int64, read-only: ``rank[i]`` = step at which token i is visited;
            ``rank[order] == arange(L)`` holds by construction.
        curve: the curve's canonical name, parameters included ("blocked[size=8]").
        variant: which of the eight symmetries, 0 … 7.
        grid: (height, width) or (frames, height, width).
        seed: the seed of a random curve; 0 for a curve that draws nothing.

    Raises:
        ValueError: the order is not a permutation of the grid's tokens; the first offending step is named.
    """

    order: IntArray
    curve: str
    variant: int
    grid: Grid
    seed: int = 0
    rank: IntArray = field(init=False)

    def __post_init__(self) -> None:
        grid = check_grid(self.grid)
        name = f"curve {self.curve!r}, variant {self.variant}, grid {grid_text(grid)}"
        order, rank = inverse_permutation(self.order, math.prod(grid), name)
        object.__setattr__(self, "grid", grid)
        object.__setattr__(self, "order", frozen(order))
        object.__setattr__(self, "rank", frozen(rank))

    def __len__(self) -> int:
        return len(self.order)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScanOrder):
            return NotImplemented
        return self._identity == other._identity and np.array_equal(self.order, other.order)

    def __hash__(self) -> int:
        return hash(self._identity)

    def __reduce__(self) -> tuple[type[ScanOrder], tuple[Any, ...]]:
        # Rebuilt rather than restored, so that a pickled or deep-copied order is checked and read-only again.
        return (ScanOrder, (np.array(self.order), self.curve, self.variant, self.grid, self.seed))

    @property
    def _identity(self) -> tuple[str, int, Grid, int]:
        return (self.curve, self.variant, self.grid, self.seed)

    @property
    def digest(self) -> str:
        """SHA-256 of the order (little-endian int64), in hex: equal exactly when the two orders are."""
        return sha256(self.order.astype("<i8").tobytes())

    def coordinates(self) -> IntArray:
        """Return the grid position of each step, shape (L, 2) as (y, x) or (L, 3) as (t, y, x)."""
        return np.stack(np.unravel_index(self.order, self.grid), axis=1).astype(np.int64, copy=False)

    def jumps(self) -> IntArray:
        """Return the Manhattan length of each step, shape (L − 1,)."""
        columns = np.unravel_index(self.order, self.grid)
        # Axis by axis: summing two or three numbers a row is several times slower.
        lengths: IntArray = np.zeros(len(self.order) - 1, dtype=np.int64)
        for column in columns:
            lengths += np.abs(np.diff(column))
        return lengths
