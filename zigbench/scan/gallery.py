"""The gallery: every curve and variant on one grid, with statistics, as one self-contained HTML page.

Without scripts it is a complete document: pictures, native tooltips with step numbers, tables. With them, a variant
can be chosen and walked step by step, and the step under the pointer is named.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from zigbench import html
from zigbench.scan import symmetries
from zigbench.scan.comparison import Row, Variant, compare, duplicates, variants
from zigbench.scan.order import Grid, ScanOrder, check_grid
from zigbench.scan.orders import make_order
from zigbench.scan.registry import lookup, names
from zigbench.scan.render import svg
from zigbench.scan.statistics import FloatArray, locality

MAX_TOKENS = 4096

MAX_TOOLTIPS = 1024
"""Tokens up to which a picture has native tooltips, one element each; more would outgrow the page."""

# (key of a row, title on a card, heading in the table, kind)
FIGURES = (
    ("continuity", "continuity", "continuity", "share"),
    ("mean_jump", "mean jump", "mean jump", "number"),
    ("p95_jump", "95th percentile jump", "95 % jump", "number"),
    ("max_jump", "longest jump", "longest jump", "number"),
    ("horizontal", "horizontal steps", "horizontal", "share"),
    ("vertical", "vertical steps", "vertical", "share"),
    ("temporal", "temporal steps", "temporal", "share"),
    ("closed", "closed", "closed", "bool"),
    ("near_distance", "mean distance, ≤ 64 steps apart", "near distance", "number"),
    ("neighbour_gap", "mean steps between neighbours", "neighbour gap", "number"),
    ("variants", "distinct variants", "distinct variants", "number"),
    ("reach_1", "full reach, n = 1", "reach n = 1", "layers"),
    ("reach_2", "full reach, n = 2", "reach n = 2", "layers"),
    ("reach_4", "full reach, n = 4", "reach n = 4", "layers"),
    ("reach_8", "full reach, n = 8", "reach n = 8", "layers"),
)


@dataclass(frozen=True)
class Figure:
    """One statistic of a curve as the page shows it.

    Attributes:
        title: on the curve's card.
        value: for sorting the table; None for a reach that never becomes full.
        text: the value as text.
        unit: with a leading space; "" for none.
    """

    title: str
    value: float | None
    text: str
    unit: str = ""


@dataclass(frozen=True)
class VariantView:
    """One variant of a curve as the page shows it.

    Attributes:
        description: curve, variant and symmetry.
        symmetry: the symmetry in words.
        order: the order's tokens, separated by spaces, for the script.
        picture: inline SVG.
        equal_to: the earlier variant with the same order; "" for none.
    """

    description: str
    symmetry: str
    order: str
    picture: Markup
    equal_to: str


@dataclass(frozen=True)
class LagPlot:
    """Mean grid distance against steps apart, both logarithmic, of a curve and of sweep; sizes in pixels.

    Attributes:
        curve, sweep: points of the lines, "x,y x,y …".
        largest_distance, largest_lag: ends of the axes, which begin at 1.
    """

    curve: str
    sweep: str
    largest_distance: int
    largest_lag: int
    width: int = 320
    height: int = 96
    left: int = 30


@dataclass(frozen=True)
class Card:
    """One curve as the page shows it.

    Attributes:
        curve: canonical name.
        anchor: identifier of its section.
        summary: first line of its description.
        frames, height, width: of the grid.
        figures: its statistics, in the order of the table.
        variants: all eight.
        picture: variant 0 as inline SVG with tooltips.
        plot: None on a grid of fewer than three tokens.
    """

    curve: str
    anchor: str
    summary: str
    frames: int
    height: int
    width: int
    figures: tuple[Figure, ...]
    variants: tuple[VariantView, ...]
    picture: Markup
    plot: LagPlot | None


def page(grid: Grid, curves: Sequence[str] | None = None, *, seed: int = 0) -> str:
    """Return the gallery page of ``grid`` as HTML text.

    Args:
        grid: (h, w) or (t, h, w), at most 4,096 tokens.
        curves: names; by default every registered curve of the grid's dimensions.
        seed: of random curves.

    Raises:
        ValueError: a grid too large to read as a picture, or what make_order raises.
    """
    sides = check_grid(grid)
    tokens = math.prod(sides)
    if tokens > MAX_TOKENS:
        raise ValueError(f"a gallery shows at most {MAX_TOKENS} tokens; {sides} has {tokens}. Draw a smaller grid")
    chosen = list(names(len(sides)) if curves is None else curves)
    equal = duplicates(chosen, sides, seed=seed)
    sweep = locality(make_order("sweep", sides))[1]
    rows = compare(chosen, sides, schemes=(1, 2, 4, 8), seed=seed)
    cards = [
        _card(row, lookup(name, len(sides))[0].__doc__, variants(name, sides, seed=seed), equal, sweep)
        for row, name in zip(rows, chosen, strict=True)
    ]
    return html.render(
        "zigbench.scan",
        "gallery.html.j2",
        title=f"Scan curves on a {'×'.join(map(str, sides))} grid",
        tokens=tokens,
        headings=[heading for key, _, heading, _ in FIGURES if rows and key in rows[0]],
        cards=cards,
    )


def _card(
    row: Row, doc: str | None, orders: Sequence[ScanOrder], equal: dict[Variant, Variant], sweep: FloatArray
) -> Card:
    first = orders[0]
    frames, height, width = (1, *first.grid)[-3:]
    views = tuple(_variant(order, equal.get((order.curve, order.variant))) for order in orders)
    return Card(
        curve=first.curve,
        anchor="curve-" + "".join(letter if letter.isalnum() else "-" for letter in first.curve),
        summary=inspect.cleandoc(doc or "").partition("\n")[0].replace("`", ""),
        frames=frames,
        height=height,
        width=width,
        figures=tuple(_figure(title, row[key], kind) for key, title, _, kind in FIGURES if key in row),
        variants=views,
        picture=Markup(svg(first, title=views[0].description, tooltips=len(first) <= MAX_TOOLTIPS)),
        plot=_lag_plot(first, sweep),
    )


def _figure(title: str, value: float | None, kind: str) -> Figure:
    if value is None:
        return Figure(title, None, "never")
    if kind == "share":
        return Figure(title, value, f"{100 * value:.1f} %")
    if kind == "bool":
        return Figure(title, value, "yes" if value else "no")
    if kind == "layers":
        return Figure(title, value, str(value), " layer" if value == 1 else " layers")
    return Figure(title, value, f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value))


def _variant(order: ScanOrder, earlier: Variant | None) -> VariantView:
    symmetry = _symmetry(order)
    equal_to = ""
    if earlier is not None:
        equal_to = f"S{earlier[1]}" if earlier[0] == order.curve else f"{earlier[0]} S{earlier[1]}"
    return VariantView(
        description=f"{order.curve}, variant {order.variant}: {symmetry}",
        symmetry=symmetry,
        order=" ".join(map(str, order.order.tolist())),
        picture=Markup(svg(order)),
        equal_to=equal_to,
    )


def _symmetry(order: ScanOrder) -> str:
    """Return the symmetry of an order's variant in words."""
    symmetry = symmetries.symmetry(order.variant)
    parts = [
        (symmetry.transposed, "transposed"),
        (symmetry.right, "left-right"),
        (symmetry.bottom, "up-down"),
        (symmetry.backward and len(order.grid) == 3, "time backwards"),
    ]
    return " + ".join(part for applies, part in parts if applies) or "as defined"


def _lag_plot(order: ScanOrder, sweep: FloatArray) -> LagPlot | None:
    lags, distance = locality(order)
    if len(lags) < 2:
        return None
    top = float(max(distance.max(), sweep.max(), 2.0))
    x = LagPlot.left + (LagPlot.width - LagPlot.left) * np.log(lags) / np.log(lags[-1])
    # Of two points on one pixel, one is enough.
    distinct = np.unique(np.round(x).astype(int), return_index=True)[1]

    def points(distances: FloatArray) -> str:
        y = LagPlot.height * (1 - np.log(np.maximum(distances, 1.0)) / np.log(top))
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[distinct], y[distinct], strict=True))

    return LagPlot(points(distance), points(sweep), round(top), int(lags[-1]))
