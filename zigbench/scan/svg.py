"""A scan order as a small inline SVG, coloured from the first step to the last; no library, no script.

The picture is in grid units, one per token, and scales to its container. Colours have middle lightness, so that one
picture serves light and dark pages.
"""

from __future__ import annotations

import itertools
from html import escape

import numpy as np

from zigbench.scan.order import IntArray, ScanOrder

# First step to last: violet, blue, teal, leaf, amber, red-orange.
RAMP = ("#7b61e0", "#3f86e0", "#17a2a8", "#5aa845", "#d39a1e", "#e2603a")

PIECES = 48
GAP = 1.0


def colour(position: float) -> str:
    """The ramp at a position from 0 (first step) to 1 (last), as ``#rrggbb``."""
    scaled = min(max(position, 0.0), 1.0) * (len(RAMP) - 1)
    low = min(int(scaled), len(RAMP) - 2)
    part = scaled - low
    ends = [[int(RAMP[low + i][k : k + 2], 16) for k in (1, 3, 5)] for i in (0, 1)]
    mixed = [round(a + (b - a) * part) for a, b in zip(*ends, strict=True)]
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def centres(order: ScanOrder) -> IntArray:
    """Where each step lies in the picture, shape (L, 2) as (x, y) in grid units; frames stand side by side."""
    places = order.coordinates()
    if len(order.grid) == 2:
        return places[:, ::-1]
    left = places[:, 0] * (order.grid[2] + int(GAP))
    return np.stack([left + places[:, 2], places[:, 1]], axis=1)


def extent(order: ScanOrder) -> tuple[int, int]:
    """Width and height of the picture in grid units."""
    if len(order.grid) == 2:
        return order.grid[1], order.grid[0]
    frames, height, width = order.grid
    return frames * width + (frames - 1) * int(GAP), height


def svg(order: ScanOrder, *, title: str | None = None, tooltips: bool = False) -> str:
    """One ``<svg>`` element.

    Args:
        order: what to draw. Steps to a neighbour are lines; jumps are thin and pale; steps between frames are not
            drawn.
        title: the picture's text alternative; by default curve and variant.
        tooltips: a cell for each token whose native tooltip names its step.
    """
    width, height = extent(order)
    name = escape(title or f"{order.curve}, variant {order.variant}")
    parts = [
        f'<svg class="scan" viewBox="-0.75 -0.75 {width + 0.5} {height + 0.5}" role="img" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{name}</title>'
        '<g fill="none" stroke-linecap="round" stroke-linejoin="round">'
    ]
    parts += _lines(order)
    parts.append("</g>")
    points = centres(order)
    (x0, y0), (x1, y1) = points[0], points[-1]
    parts.append(f'<circle cx="{x0}" cy="{y0}" r=".34" fill="{RAMP[0]}"/>')
    parts.append(f'<rect x="{x1 - 0.28}" y="{y1 - 0.28}" width=".56" height=".56" rx=".1" fill="{RAMP[-1]}"/>')
    if tooltips:
        parts.append('<g class="cells" fill="transparent">')
        parts += [
            f'<rect x="{x - 0.5}" y="{y - 0.5}" width="1" height="1"><title>step {k}, token {token}</title></rect>'
            for k, ((x, y), token) in enumerate(zip(points.tolist(), order.order.tolist(), strict=True))
        ]
        parts.append("</g>")
    return "".join([*parts, "</svg>"])


def _lines(order: ScanOrder) -> list[str]:
    """Coloured pieces of the walk, jumps first so that lines between neighbours lie above them."""
    points = centres(order)
    steps = len(points) - 1
    places = order.coordinates()
    moved = np.abs(np.diff(places, axis=0))
    near = moved.sum(axis=1) == 1
    same_frame = moved[:, 0] == 0 if len(order.grid) == 3 else np.ones(steps, dtype=bool)
    thin, thick = [], []
    bounds = np.linspace(0, steps, min(PIECES, max(steps, 1)) + 1).astype(int)
    for first, last in itertools.pairwise(bounds.tolist()):
        if last == first:
            continue
        tint = colour((first + last) / 2 / steps)
        jumps = _path(points, [k for k in range(first, last) if not near[k]])
        lines = _path(points, [k for k in range(first, last) if near[k] and same_frame[k]])
        if jumps:
            thin.append(f'<path d="{jumps}" stroke="{tint}" stroke-width=".1" opacity=".45"/>')
        if lines:
            thick.append(f'<path d="{lines}" stroke="{tint}" stroke-width=".26"/>')
    return thin + thick


def _path(points: IntArray, steps: list[int]) -> str:
    words, at = [], -1
    for k in steps:
        (x0, y0), (x1, y1) = points[k], points[k + 1]
        words.append(f"L{x1} {y1}" if k == at else f"M{x0} {y0}L{x1} {y1}")
        at = k + 1
    return "".join(words)
