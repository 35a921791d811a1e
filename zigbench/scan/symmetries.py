"""The eight symmetries of a rectangle: four corners × two primary directions, in the reference table's order.

Variant k is read in bits. Bit 0: the primary direction is columns instead of rows; the curve is then built on the
transposed grid and transposed back, so a rectangle has eight variants as a square has. Bit 1: mirrored left-right,
so a curve that starts at the left starts at the right. Bit 2: mirrored top-bottom. A box (t, h, w) has the same
eight, applied to every frame; variants with an odd number of bits set run backwards in time, so that at every even
scheme count half of the layers see the clip from each end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from zigbench.scan.order import Grid, IntArray

VARIANTS = 8


@dataclass(frozen=True)
class Symmetry:
    """One symmetry of a grid: transposed first, then mirrored.

    Attributes:
        transposed: rows and columns are exchanged.
        right: mirrored left-right.
        bottom: mirrored top-bottom.
        backward: the frames of a clip run backwards.
    """

    transposed: bool
    right: bool
    bottom: bool
    backward: bool

    @property
    def description(self) -> str:
        """Start corner and primary direction of a curve that starts top-left along rows: "top-left, rows →"."""
        corner = f"{'bottom' if self.bottom else 'top'}-{'right' if self.right else 'left'}"
        if self.transposed:
            return f"{corner}, columns {'↑' if self.bottom else '↓'}"
        return f"{corner}, rows {'←' if self.right else '→'}"


def check_variant(variant: object) -> int:
    """Return ``variant`` as an int.

    Raises:
        ValueError: not an integer from 0 to 7.
    """
    if isinstance(variant, bool) or not isinstance(variant, int | np.integer) or not 0 <= variant < VARIANTS:
        raise ValueError(f"variant = {variant!r}: expected an integer from 0 to {VARIANTS - 1}")
    return int(variant)


def symmetry(variant: int) -> Symmetry:
    """Return the symmetry of a variant, 0 … 7.

    Raises:
        ValueError: a variant outside 0 … 7.
    """
    bits = check_variant(variant)
    return Symmetry(
        transposed=bool(bits & 1),
        right=bool(bits & 2),
        bottom=bool(bits & 4),
        backward=bits.bit_count() % 2 == 1,
    )


def base_grid(grid: Grid, variant: int) -> Grid:
    """Return the grid to build a curve on so that its ``variant`` lies on ``grid``: transposed where the variant is."""
    return (*grid[:-2], grid[-1], grid[-2]) if symmetry(variant).transposed else grid


def apply(order: IntArray, grid: Grid, variant: int) -> IntArray:
    """Return the ``variant`` of an order, on ``grid``.

    Args:
        order: shape (L,), row-major indices on ``base_grid(grid, variant)``.
        grid: (h, w) or (t, h, w), the grid of the result.
        variant: 0 … 7.

    Returns:
        shape (L,), row-major indices on ``grid``.
    """
    chosen = symmetry(variant)
    height, width = grid[-2:]
    backward = chosen.backward and len(grid) == 3
    if not (chosen.transposed or chosen.right or chosen.bottom or backward):
        return order
    # A table on the base grid: the place of each of its tokens on ``grid``. One gather then maps the whole order.
    table: IntArray = np.arange(math.prod(grid), dtype=np.int64).reshape(-1, height, width)
    if backward:
        table = table[::-1]
    if chosen.bottom:
        table = table[:, ::-1]
    if chosen.right:
        table = table[:, :, ::-1]
    if chosen.transposed:
        table = table.transpose(0, 2, 1)
    return table.reshape(-1)[order]
