"""The gallery: every curve and variant on one grid, with figures, as one HTML page that needs nothing else.

Without scripts it is a complete document: pictures, native tooltips with step numbers, tables. With them, a variant
can be chosen, walked step by step, and the step under the pointer is named. It follows the reader's light or dark
setting and asks no network.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from html import escape

import numpy as np

from zigbench.scan.comparison import Row, compare, duplicates, variants
from zigbench.scan.gallery_page import SCRIPT, STYLE
from zigbench.scan.order import Grid, ScanOrder, check_grid
from zigbench.scan.orders import make_order
from zigbench.scan.registry import lookup, names
from zigbench.scan.render import svg
from zigbench.scan.statistics import locality
from zigbench.scan.symmetries import symmetry

MOST_TOKENS = 4096

# Native tooltips are one element a token; above this they would outweigh the rest of the page.
MOST_TOOLTIPS = 1024

# (key of a row, heading in full, heading in the table, kind)
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


def page(grid: Grid, curves: Sequence[str] | None = None, *, seed: int = 0) -> str:
    """The gallery page of ``grid`` as HTML text.

    Args:
        grid: (h, w) or (t, h, w), at most 4,096 tokens.
        curves: names; by default every registered curve of the grid's dimensions.
        seed: of random curves.

    Raises:
        ValueError: a grid too large to read as a picture, or what make_order raises.
    """
    sides = check_grid(grid)
    tokens = int(np.prod(sides))
    if tokens > MOST_TOKENS:
        raise ValueError(f"a gallery shows at most {MOST_TOKENS} tokens; {sides} has {tokens}. Draw a smaller grid")
    chosen = list(names(len(sides)) if curves is None else curves)
    rows = compare(chosen, sides, schemes=(1, 2, 4, 8), seed=seed)
    twins = duplicates(chosen, sides, seed=seed)
    size = "×".join(str(side) for side in sides)
    reference = locality(make_order("sweep", sides))[1]
    cards = [_card(row, chosen[i], sides, seed, twins, reference) for i, row in enumerate(rows)]
    links = "".join(f'<a href="#{_anchor(row)}">{escape(str(row["curve"]))}</a>' for row in rows)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Scan curves on {size}</title><style>{STYLE}</style></head><body>"
        '<button class="theme" type="button" aria-label="light or dark">Dark</button>'
        f"<header><h1>Scan curves on a {size} grid</h1>{_introduction(len(rows), tokens)}<nav>{links}</nav></header>"
        f"<main>{_table(rows)}{''.join(cards)}</main>{_FOOTER}<script>{SCRIPT}</script></body></html>\n"
    )


def _introduction(count: int, tokens: int) -> str:
    return (
        f'<p class="soft">{count} curves, each in eight variants: the order in which a network visits the {tokens} '
        "tokens. A walk runs from violet (a disc marks the first token) to red (a square marks the last). Thick lines "
        "join grid neighbours; thin, pale ones are jumps.</p>"
    )


_FOOTER = (
    '<footer class="soft"><p>Distances are Manhattan distances. Continuity is the share of steps that go to a grid '
    "neighbour; near distance is the mean distance of tokens up to 64 steps apart, neighbour gap the mean number of "
    "steps between grid neighbours. Full reach is the number of layers of forward scans, layer i using variant i mod "
    "n, after which every token has influenced every token; “never” means that no depth is enough. Figures of a curve "
    "are those of its variant 0; the small plot sets the mean distance of tokens k steps apart (line) beside sweep’s "
    "(dashed), both axes logarithmic.</p></footer>"
)


def _value(row: Row, key: str, kind: str) -> str:
    value = row[key]
    if kind == "share":
        return f"{100 * value:.1f} %"
    if kind == "bool":
        return "yes" if value else "no"
    if kind == "layers":
        return "never" if value is None else f"{value} layer{'s' if value != 1 else ''}"
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _table(rows: Sequence[Row]) -> str:
    shown = [figure for figure in FIGURES if rows and figure[0] in rows[0]]
    head = "".join(f"<th>{escape(title)}</th>" for _, _, title, _ in shown)
    body = "".join(
        f'<tr><td><a href="#{_anchor(row)}">{escape(str(row["curve"]))}</a></td>'
        + "".join(f"<td>{_value(row, key, kind).removesuffix(' layers')}</td>" for key, _, _, kind in shown)
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr><th>curve</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _anchor(row: Row) -> str:
    return "curve-" + "".join(letter if letter.isalnum() else "-" for letter in str(row["curve"]))


def _card(
    row: Row,
    name: str,
    grid: Grid,
    seed: int,
    twins: dict[tuple[str, int], tuple[str, int]],
    reference: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> str:
    orders = variants(name, grid, seed=seed)
    first = orders[0]
    about = (inspect.getdoc(lookup(name, len(grid))[0]) or "").partition("\n")[0].replace("`", "")
    figures = "".join(
        f"<div><dt>{escape(title)}</dt><dd>{_value(row, key, kind)}</dd></div>"
        for key, title, _, kind in FIGURES
        if key in row
    )
    frames = grid[0] if len(grid) == 3 else 1
    thumbs = "".join(f"<li>{_thumb(order, twins)}</li>" for order in orders)
    picture = svg(first, title=_about(first), tooltips=len(first) <= MOST_TOOLTIPS)
    return (
        f'<section class="curve{" clip" if frames > 1 else ""}" id="{_anchor(row)}"><div class="head">'
        f'<h2>{escape(first.curve)}</h2><span class="soft">{escape(about)}</span></div>'
        f'<figure class="big" data-grid="{grid[-1]},{grid[-2]},{frames}">{picture}'
        '<div class="tools"><button class="play" type="button">Walk</button>'
        '<input class="step" type="range" min="0" value="0" aria-label="step"></div>'
        f"<figcaption>{escape(_about(first))}</figcaption></figure>"
        f"<div><dl>{figures}</dl>{_lag_plot(first, reference)}</div>"
        f'<ul class="thumbs">{thumbs}</ul></section>'
    )


def _about(order: ScanOrder) -> str:
    return f"{order.curve}, variant {order.variant}: {_symmetry_words(order)}"


def _symmetry_words(order: ScanOrder) -> str:
    how = symmetry(order.variant)
    words = [
        word for on, word in ((how.transposed, "transposed"), (how.right, "left-right"), (how.bottom, "up-down")) if on
    ]
    if how.backward and len(order.grid) == 3:
        words.append("time backwards")
    return " + ".join(words) if words else "as defined"


def _thumb(order: ScanOrder, twins: dict[tuple[str, int], tuple[str, int]]) -> str:
    twin = twins.get((order.curve, order.variant))
    same = ""
    if twin is not None:
        other = f"S{twin[1]}" if twin[0] == order.curve else f"{twin[0]} S{twin[1]}"
        same = f'<span class="soft">walks as {escape(other)}</span>'
    listed = " ".join(map(str, order.order.tolist()))
    return (
        f'<button class="thumb" type="button" data-about="{escape(_about(order))}" data-order="{listed}">'
        f'{svg(order)}<b>S{order.variant}</b> <span class="soft">{escape(_symmetry_words(order))}</span>{same}</button>'
    )


def _lag_plot(order: ScanOrder, reference: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    """Mean grid distance against steps apart, with sweep's dashed, as a small SVG."""
    lags, distance = locality(order)
    if len(lags) < 2:
        return ""
    width, height, left, bottom = 320.0, 96.0, 30.0, 18.0
    top = float(max(distance.max(), reference.max(), 2.0))
    x = left + (width - left) * np.log(lags) / np.log(lags[-1])

    def line(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
        y = height * (1 - np.log(np.maximum(values, 1.0)) / np.log(top))
        # Where two points fall on one pixel, one is enough.
        kept = np.unique(np.round(x).astype(int), return_index=True)[1]
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[kept], y[kept], strict=True))

    return (
        f'<svg class="lag" viewBox="0 0 {width} {height + bottom}" role="img">'
        "<title>Mean grid distance of tokens k steps apart</title>"
        f'<path class="axis" d="M{left} 0V{height}H{width}" fill="none"/>'
        f'<polyline class="sweep" points="{line(reference)}" fill="none" stroke-width="1" stroke-dasharray="3 3"/>'
        f'<polyline class="this" points="{line(distance)}" fill="none" stroke-width="1.8"/>'
        f'<text x="{left - 4}" y="8" text-anchor="end">{top:.0f}</text>'
        f'<text x="{left - 4}" y="{height}" text-anchor="end">1</text>'
        f'<text x="{left}" y="{height + 13}">1 step apart</text>'
        f'<text x="{width}" y="{height + 13}" text-anchor="end">{int(lags[-1])}</text></svg>'
    )
