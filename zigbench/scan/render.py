"""Drawings of a scan order: inline SVG for pages, matplotlib for files, box-drawing characters for a terminal.

All three show the same: steps to a grid neighbour are lines, jumps are thin and pale (a terminal counts them), the
first and the last token are marked, and steps from one frame of a clip to another are not drawn.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zigbench.scan.order import IntArray, ScanOrder, grid_text
from zigbench.scan.symmetries import symmetry

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RAMP = ("#7b61e0", "#3f86e0", "#17a2a8", "#5aa845", "#d39a1e", "#e2603a")
"""Colours from the first step to the last, of middle lightness: one picture serves light and dark pages."""

GAP = 1
"""Grid units between two frames."""

PIECES = 48
"""Parts of one colour each that an SVG is drawn in."""


@dataclass(frozen=True)
class Walk:
    """A scan order laid out in grid units, x to the right and y downwards, the frames of a clip beside each other.

    Attributes:
        places: (frame, row, column) of each step, shape (L, 3).
        points: (x, y) of each step, shape (L, 2).
        near: true for steps to a grid neighbour, shape (L − 1,).
        within: true for steps within one frame, shape (L − 1,).
        width, height: size of the picture.
    """

    places: IntArray
    points: IntArray
    near: npt.NDArray[np.bool_]
    within: npt.NDArray[np.bool_]
    width: int
    height: int


def lay_out(order: ScanOrder, *, across: int | None = None) -> Walk:
    """Return the walk of an order; ``across`` frames side by side, all of them by default."""
    frames, height, width = (1, *order.grid)[-3:]
    across = across or frames
    places = np.stack(np.unravel_index(order.order, (frames, height, width)), axis=1).astype(np.int64, copy=False)
    row, column = np.divmod(places[:, 0], across)
    points = np.stack([column * (width + GAP) + places[:, 2], row * (height + GAP) + places[:, 1]], axis=1)
    step = np.abs(np.diff(places, axis=0))
    return Walk(
        places=places,
        points=points,
        near=step.sum(axis=1) == 1,
        within=step[:, 0] == 0,
        width=across * (width + GAP) - GAP,
        height=-(-frames // across) * (height + GAP) - GAP,
    )


def name(order: ScanOrder) -> str:
    """Return curve and variant in words: the title of a drawing."""
    return f"{order.curve}, variant {order.variant}: {symmetry(order.variant).description}"


def colour(position: float) -> str:
    """Return the ramp's colour at a position from 0 (first step) to 1 (last), as ``#rrggbb``."""
    scaled = min(max(position, 0.0), 1.0) * (len(RAMP) - 1)
    low = min(int(scaled), len(RAMP) - 2)
    part = scaled - low
    ends = [[int(RAMP[low + i][k : k + 2], 16) for k in (1, 3, 5)] for i in (0, 1)]
    mixed = [round(a + (b - a) * part) for a, b in zip(*ends, strict=True)]
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def svg(order: ScanOrder, *, title: str | None = None, tooltips: bool = False) -> str:
    """Return one ``<svg>`` element in grid units, which scales to its container; no library, no script.

    Args:
        order: what to draw.
        title: the picture's text alternative; by default curve and variant.
        tooltips: add a cell for each token with a native tooltip that names its step.
    """
    walk = lay_out(order)
    label = escape(title or f"{order.curve}, variant {order.variant}")
    (x0, y0), (x1, y1) = walk.points[0], walk.points[-1]
    parts = [
        f'<svg class="scan" viewBox="-0.75 -0.75 {walk.width + 0.5} {walk.height + 0.5}" role="img" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{label}</title>'
        '<g fill="none" stroke-linecap="round" stroke-linejoin="round">',
        *_svg_lines(walk),
        "</g>",
        f'<circle cx="{x0}" cy="{y0}" r=".34" fill="{RAMP[0]}"/>',
        f'<rect x="{x1 - 0.28}" y="{y1 - 0.28}" width=".56" height=".56" rx=".1" fill="{RAMP[-1]}"/>',
    ]
    if tooltips:
        cells = enumerate(zip(walk.points.tolist(), order.order.tolist(), strict=True))
        parts += [
            '<g class="cells" fill="transparent">',
            *(
                f'<rect x="{x - 0.5}" y="{y - 0.5}" width="1" height="1"><title>step {k}, token {token}</title></rect>'
                for k, ((x, y), token) in cells
            ),
            "</g>",
        ]
    return "".join([*parts, "</svg>"])


def _svg_lines(walk: Walk) -> list[str]:
    """Return coloured pieces of the walk, jumps first so that lines between neighbours lie above them."""
    steps = len(walk.near)
    thin, thick = [], []
    bounds = np.linspace(0, steps, min(PIECES, max(steps, 1)) + 1).astype(int)
    for first, last in itertools.pairwise(bounds.tolist()):
        if last == first:
            continue
        stroke = colour((first + last) / 2 / steps)
        drawn = [k for k in range(first, last) if walk.within[k]]
        jumps = _svg_path(walk.points, [k for k in drawn if not walk.near[k]])
        lines = _svg_path(walk.points, [k for k in drawn if walk.near[k]])
        if jumps:
            thin.append(f'<path d="{jumps}" stroke="{stroke}" stroke-width=".1" opacity=".45"/>')
        if lines:
            thick.append(f'<path d="{lines}" stroke="{stroke}" stroke-width=".26"/>')
    return thin + thick


def _svg_path(points: IntArray, steps: list[int]) -> str:
    commands, end = [], -1
    for k in steps:
        (x0, y0), (x1, y1) = points[k], points[k + 1]
        commands.append(f"L{x1} {y1}" if k == end else f"M{x0} {y0}L{x1} {y1}")
        end = k + 1
    return "".join(commands)


def draw(order: ScanOrder, axes: Axes, *, across: int | None = None, colours: tuple[str, str] | None = None) -> None:
    """Draw an order into ``axes``.

    Args:
        order: what to draw.
        axes: without anything else in them; their size sets the width of the lines.
        across: frames of a clip side by side.
        colours: of steps to a neighbour and of jumps; by default both run from the first step to the last.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    walk = lay_out(order, across=across)
    ends = np.stack([walk.points[:-1], walk.points[1:]], axis=1)
    ramp = LinearSegmentedColormap.from_list("scan", list(RAMP))(np.linspace(0, 1, max(len(ends), 2)))
    extent = axes.get_window_extent()
    unit = 72 / axes.figure.dpi * min(extent.width / walk.width, extent.height / walk.height)
    line = max(0.5, 0.26 * unit)
    for near, width, alpha in ((False, 0.4 * line, 0.45), (True, line, 1.0)):
        steps = np.flatnonzero(walk.within & (walk.near == near))
        if not len(steps):
            continue
        style: dict[str, Any] = {"linewidth": width, "alpha": alpha, "capstyle": "round"}
        if colours is None:
            axes.add_collection(LineCollection(list(ends[steps]), colors=ramp[steps], **style))
        else:
            # One path with gaps: a smaller file than a path for each step.
            path = Outline(ends[steps].reshape(-1, 2), [Outline.MOVETO, Outline.LINETO] * len(steps))
            axes.add_patch(PathPatch(path, fill=False, edgecolor=colours[0 if near else 1], **style))
    for step, marker, ramp_end in ((0, "o", RAMP[0]), (-1, "s", RAMP[-1])):
        tint = ramp_end if colours is None else colours[0]
        axes.plot(*walk.points[step], marker=marker, color=tint, markersize=2.4 * line, clip_on=False)
    axes.set_xlim(-0.75, walk.width - 0.25)
    axes.set_ylim(walk.height - 0.25, -0.75)
    axes.set_aspect("equal")
    axes.set_axis_off()


def figure(order: ScanOrder, *, side: float = 5.0) -> Figure:
    """Return a figure of one order, its longer side ``side`` inches; the frames of a clip in rows."""
    from matplotlib.figure import Figure

    frames, height, width = (1, *order.grid)[-3:]
    across = max(1, math.ceil(math.sqrt(frames * height / width))) if frames > 1 else 1
    walk = lay_out(order, across=across)
    unit = side / max(walk.width, walk.height)
    canvas = Figure(figsize=(max(walk.width * unit, 1.5), max(walk.height * unit, 1.0) + 0.4), layout="constrained")
    axes = canvas.subplots()
    canvas.draw_without_rendering()
    draw(order, axes, across=across)
    canvas.suptitle(name(order), fontsize=9)
    return canvas


def save(picture: Figure, path: str | Path) -> Path:
    """Write a figure to ``path`` (.png or .svg), with its folder, and return the path.

    Raises:
        ValueError: another ending.
    """
    target = Path(path)
    if target.suffix not in (".png", ".svg"):
        raise ValueError(f"{target}: expected a name that ends in .png or .svg")
    target.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(target, dpi=160)
    return target


UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8

# The character of a token by the sides through which the walk passes; a token between two jumps is a dot.
STROKES = {
    0: "·",
    UP: "╵",
    DOWN: "╷",
    LEFT: "╴",
    RIGHT: "╶",
    UP | DOWN: "│",
    LEFT | RIGHT: "─",
    DOWN | RIGHT: "┌",
    DOWN | LEFT: "┐",
    UP | RIGHT: "└",
    UP | LEFT: "┘",
}
START, END = "○", "●"


def text(order: ScanOrder) -> str:
    """Return the walk as box-drawing characters, a line for each row of tokens, and a last line that describes it.

    ``○`` is the first token and ``●`` the last. A clip is shown frame after frame.
    """
    walk = lay_out(order)
    frames, height, width = (1, *order.grid)[-3:]
    sides = _sides(walk.places, (frames, height, width))
    characters = np.vectorize(STROKES.get, otypes=[object])(sides)
    characters[tuple(walk.places[-1])] = END
    characters[tuple(walk.places[0])] = START
    characters = characters + np.where(sides & RIGHT, "─", " ").astype(object)
    lines: list[str] = []
    for frame in range(frames):
        if len(order.grid) == 3:
            lines.append(f"frame {frame}")
        lines += ["".join(row).rstrip() for row in characters[frame]]
    return "\n".join([*lines, _caption(order, walk)]) + "\n"


def _sides(places: IntArray, shape: tuple[int, int, int]) -> IntArray:
    """Return for each token the sum of the sides on which a drawn step touches it, of shape ``shape``."""
    sides = np.zeros(shape, dtype=np.int64)
    step = np.diff(places, axis=0)
    for (dy, dx), exit_side, entry_side in (
        ((-1, 0), UP, DOWN),
        ((1, 0), DOWN, UP),
        ((0, -1), LEFT, RIGHT),
        ((0, 1), RIGHT, LEFT),
    ):
        steps = (step == (0, dy, dx)).all(axis=1)
        # Each token is left once and entered once, so no index comes twice.
        sides[tuple(places[:-1][steps].T)] += exit_side
        sides[tuple(places[1:][steps].T)] += entry_side
    return sides


def _caption(order: ScanOrder, walk: Walk) -> str:
    jumps = int((~walk.near).sum())
    between = int((walk.near & ~walk.within).sum())
    size = grid_text(order.grid).replace("x", "×")
    parts = [f"{order.curve}, variant {order.variant} ({symmetry(order.variant).description}), {size}"]
    parts.append(f"{START} first, {END} last")
    if between:
        parts.append(f"{between} step{'s' if between > 1 else ''} to the next or previous frame")
    parts.append(f"{jumps} of {len(order) - 1} steps are jumps, not drawn" if jumps else "no jumps")
    return "; ".join(parts)
