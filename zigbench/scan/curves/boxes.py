"""The Hilbert curve of any box: a path from corner to neighbouring corner, built from paths of smaller boxes.

A box a × b × c is walked from its corner (0, 0, 0) to the far end of its first axis, (a − 1, 0, 0), in steps
between neighbours. Colour the cells like a chessboard: such a walk can only exist when a is even, or when all three
sides are odd. Three ways to cut a box keep that so for every part, hence every feasible box has a continuous walk:

- *along*: a long box is cut across its first axis, the first part even;
- *round*: up one half of the first axis by an even part of the second, across, and down (in a square of side 2ᵏ
  this is the Hilbert curve);
- *five*: the 3D Hilbert step: up b, over along c, across a, back along c, down b; needs a and c even.

An image is a box with c = 1. Boxes of one shape are walked alike, so each shape is built once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Shape = tuple[int, int, int]
Path = npt.NDArray[np.int32]
# A part of a box: its shape, the start of its walk, the axes of the box along its own three, and their signs.
Part = tuple[Shape, tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]


def feasible(shape: Shape) -> bool:
    """Return whether a walk from (0, 0, 0) to (a − 1, 0, 0) through every cell can exist."""
    a, b, c = shape
    if a == 1:
        return b * c == 1
    return a % 2 == 0 or (b % 2 == 1 and c % 2 == 1)


def walk(shape: Shape, known: dict[Shape, Path] | None = None) -> Path:
    """Return the cells of a feasible box in the order of the visit, shape (a·b·c, 3).

    Args:
        shape: sides (a, b, c), each at least 1, feasible.
        known: walks already built, by shape; filled as parts are built.
    """
    assert feasible(shape), shape
    known = {} if known is None else known
    if shape not in known:
        a, b, c = shape
        if b == c == 1:
            path = np.zeros((a, 3), dtype=np.int32)
            path[:, 0] = np.arange(a)
        else:
            path = np.concatenate([_placed(part, known) for part in _parts(shape)])
        known[shape] = path
    return known[shape]


def _placed(part: Part, known: dict[Shape, Path]) -> Path:
    shape, start, axes, signs = part
    own = walk(shape, known)
    placed = np.empty_like(own)
    for i, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        placed[:, axis] = start[axis] + sign * own[:, i]
    return placed


def _parts(shape: Shape) -> list[Part]:
    a, b, c = shape
    if 2 * a > 3 * max(b, c):
        return _along(shape)
    longer, shorter = max(b, c), min(b, c)
    even_side = shorter % 2 == 0 or longer % 2 == 0
    if shorter == 1 or a % 2 == 1 or not even_side or 3 * longer > 4 * shorter:
        return _swapped(_round((a, c, b))) if c > b else _round(shape)
    # The five-part step goes over along an even axis: the shorter side where both are even.
    over_b = b % 2 == 0 and (c % 2 == 1 or b < c)
    return _swapped(_five((a, c, b))) if over_b else _five(shape)


def _swapped(parts: list[Part]) -> list[Part]:
    """Return the same cut with the names of the second and third axis exchanged."""
    other = (0, 2, 1)
    return [
        (shape, (start[0], start[2], start[1]), (other[axes[0]], other[axes[1]], other[axes[2]]), signs)
        for shape, start, axes, signs in parts
    ]


def _even_half(side: int) -> int:
    """Return half of a side, rounded to an even number where the side is longer than 2."""
    half = side // 2
    return half + half % 2 if side > 2 else half


def _along(shape: Shape) -> list[Part]:
    a, b, c = shape
    first = _even_half(a)
    straight, positive = (0, 1, 2), (1, 1, 1)
    return [
        ((first, b, c), (0, 0, 0), straight, positive),
        ((a - first, b, c), (first, 0, 0), straight, positive),
    ]


def _round(shape: Shape) -> list[Part]:
    a, b, c = shape
    near, up = _even_half(a), _even_half(b)
    return [
        ((up, near, c), (0, 0, 0), (1, 0, 2), (1, 1, 1)),
        ((a, b - up, c), (0, up, 0), (0, 1, 2), (1, 1, 1)),
        ((up, a - near, c), (a - 1, up - 1, 0), (1, 0, 2), (-1, -1, 1)),
    ]


def _five(shape: Shape) -> list[Part]:
    a, b, c = shape
    near, up, over = _even_half(a), _even_half(b), _even_half(c)
    return [
        ((up, over, near), (0, 0, 0), (1, 2, 0), (1, 1, 1)),
        ((c, near, b - up), (0, up, 0), (2, 0, 1), (1, 1, 1)),
        ((a, up, c - over), (0, up - 1, c - 1), (0, 1, 2), (1, -1, -1)),
        ((c, a - near, b - up), (a - 1, up, c - 1), (2, 0, 1), (-1, -1, 1)),
        ((up, over, a - near), (a - 1, up - 1, 0), (1, 2, 0), (-1, 1, -1)),
    ]
