"""A scan order as text: box-drawing characters, one line of text for each row of tokens."""

from __future__ import annotations

import numpy as np

from zigbench.scan.order import IntArray, ScanOrder
from zigbench.scan.symmetries import symmetry

UP, DOWN, EXIT_REQUEUE, RIGHT = 1, 2, 4, 8

# The character of a token by the sides on which the path leaves it; a token reached and left by jumps is a dot.
STROKES = {
    0: "·",
    UP: "╵",
    DOWN: "╷",
    EXIT_REQUEUE: "╴",
    RIGHT: "╶",
    UP | DOWN: "│",
    EXIT_REQUEUE | RIGHT: "─",
    DOWN | RIGHT: "┌",
    DOWN | EXIT_REQUEUE: "┐",
    UP | RIGHT: "└",
    UP | EXIT_REQUEUE: "┘",
}
START, END = "○", "●"


def box_drawing(order: ScanOrder) -> str:
    """The walk as text, ending in a line that says what is shown.

    Steps between neighbours are lines, ``○`` is the first token and ``●`` the last; jumps are counted, not drawn. A
    clip is shown frame after frame.
    """
    shape = (1, *order.grid) if len(order.grid) == 2 else order.grid
    places = np.stack(np.unravel_index(order.order, shape), axis=1)
    sides = _sides(places, shape)
    lines: list[str] = []
    for frame in range(shape[0]):
        if len(order.grid) == 3:
            lines.append(f"frame {frame}")
        for y in range(shape[1]):
            lines.append("".join(_token(sides, places, (frame, y, x)) for x in range(shape[2])).rstrip())
    return "\n".join([*lines, _caption(order, places)]) + "\n"


def _sides(places: IntArray, shape: tuple[int, ...]) -> IntArray:
    """For each token, the sum of the sides on which a drawn step touches it."""
    sides = np.zeros(shape, dtype=np.int64)
    step = np.diff(places, axis=0)
    for (dy, dx), leaving, entering in (
        ((-1, 0), UP, DOWN),
        ((1, 0), DOWN, UP),
        ((0, -1), EXIT_REQUEUE, RIGHT),
        ((0, 1), RIGHT, EXIT_REQUEUE),
    ):
        taken = (step == (0, dy, dx)).all(axis=1)
        # Each token is left once and entered once, so no index comes twice.
        sides[tuple(places[:-1][taken].T)] += leaving
        sides[tuple(places[1:][taken].T)] += entering
    return sides


def _token(sides: IntArray, places: IntArray, place: tuple[int, int, int]) -> str:
    stroke = STROKES[int(sides[place])]
    if place == tuple(places[0]):
        stroke = START
    elif place == tuple(places[-1]):
        stroke = END
    return stroke + ("─" if sides[place] & RIGHT else " ")


def _caption(order: ScanOrder, places: IntArray) -> str:
    step = np.abs(np.diff(places, axis=0))
    jumps = int((step.sum(axis=1) != 1).sum())
    between = int(((step.sum(axis=1) == 1) & (step[:, 0] == 1)).sum())
    size = "×".join(str(side) for side in order.grid)
    words = [f"{order.curve}, variant {order.variant} ({symmetry(order.variant).description}), {size}"]
    words.append(f"{START} first, {END} last")
    if between:
        words.append(f"{between} step{'s' if between > 1 else ''} to the frame beside")
    words.append(f"{jumps} of {len(order) - 1} steps are jumps, not drawn" if jumps else "no jumps")
    return "; ".join(words)
