"""The comparison of curves: a row of statistics for each, equal variants, locality."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from zigbench.scan.order import Grid, ScanOrder, grid_text
from zigbench.scan.orders import make_order
from zigbench.scan.reachability import reach
from zigbench.scan.statistics import locality, statistics
from zigbench.scan.symmetries import VARIANTS

SCHEMES = (1, 2, 4, 6, 8)
"""The scheme counts of the ZigMa paper's ablation."""

Row = dict[str, Any]
Variant = tuple[str, int]


def compare(curves: Sequence[str], grid: Grid, *, schemes: Sequence[int] = SCHEMES, seed: int = 0) -> list[Row]:
    """Return one row a curve: the statistics of variant 0, the distinct variants, and the layers to full reach.

    Args:
        curves: names of curves of the grid's dimensions.
        grid: (h, w) or (t, h, w).
        schemes: scheme counts for the ``reach_n`` columns.
        seed: of random curves.

    Returns:
        rows with ``curve``, ``grid``, the figures of :func:`statistics`, ``variants`` (how many of the eight are
        distinct) and ``reach_n`` for each count: layers until every token has reached every token, None for never.

    Raises:
        ValueError: as make_order raises.
    """
    rows = []
    for name in curves:
        orders = variants(name, grid, seed=seed)
        row: Row = {"curve": orders[0].curve, "grid": grid_text(orders[0].grid), **statistics(orders[0])}
        row["variants"] = len({order.digest for order in orders})
        row.update({f"reach_{n}": reach(orders[:n]).layers for n in schemes})
        rows.append(row)
    return rows


def localities(curves: Sequence[str], grid: Grid, *, seed: int = 0) -> list[Row]:
    """Return long rows ``curve``, ``grid``, ``lag``, ``distance``: :func:`locality` of each curve's variant 0."""
    rows: list[Row] = []
    for name in curves:
        order = make_order(name, grid, seed=seed)
        lags, distances = locality(order)
        rows += [
            {"curve": order.curve, "grid": grid_text(order.grid), "lag": lag, "distance": distance}
            for lag, distance in zip(lags.tolist(), distances.tolist(), strict=True)
        ]
    return rows


def variants(curves: str | Iterable[str], grid: Grid, *, seed: int = 0) -> list[ScanOrder]:
    """Return all eight variants of each curve, in order."""
    curve_names = [curves] if isinstance(curves, str) else list(curves)
    return [make_order(name, grid, v, seed=seed) for name in curve_names for v in range(VARIANTS)]


def duplicates(curves: str | Iterable[str], grid: Grid, *, seed: int = 0) -> dict[Variant, Variant]:
    """Return the variants that equal an earlier one: (curve, variant) → the first (curve, variant) like it."""
    first: dict[str, Variant] = {}
    equal: dict[Variant, Variant] = {}
    for order in variants(curves, grid, seed=seed):
        name = (order.curve, order.variant)
        earlier = first.setdefault(order.digest, name)
        if earlier != name:
            equal[name] = earlier
    return equal


def reversals(curve: str, grid: Grid, *, seed: int = 0) -> list[tuple[int, int]]:
    """Return pairs of variants (i, j), i < j, of which one is the other walked backwards."""
    orders = variants(curve, grid, seed=seed)
    return [
        (i, j)
        for i in range(VARIANTS)
        for j in range(i + 1, VARIANTS)
        if (orders[i].order == orders[j].order[::-1]).all()
    ]


CSV_ONLY = ("closing_jump", "max_neighbour_gap")
"""Columns that only the CSV has, not the text table."""

SHARES = ("continuity", "horizontal", "vertical", "temporal")


def table(rows: Sequence[Row]) -> str:
    """Return rows as aligned text under stacked headings, shares in percent.

    The ``reach_n`` columns become one, "∞/∞/3/3" for the counts in its heading; ∞ where full reach never comes.
    """
    if not rows:
        return ""
    keys = list(dict.fromkeys(key for row in rows for key in row if key not in CSV_ONLY))
    schemes = [key for key in keys if key.startswith("reach_")]
    columns = [
        [key.replace("_", " "), *(_cell(key, row.get(key)) for row in rows)] for key in keys if key not in schemes
    ]
    if schemes:
        heading = "full reach, n=" + "/".join(key.removeprefix("reach_") for key in schemes)
        columns.append([heading, *("/".join(_layers(row.get(key)) for key in schemes) for row in rows)])
    heads = [column[0].split(" ") for column in columns]
    height = max(len(words) for words in heads)
    lines = [[([""] * (height - len(words)) + words)[line] for words in heads] for line in range(height)]
    lines += [[column[1 + index] for column in columns] for index in range(len(rows))]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]

    def aligned(line: list[str]) -> str:
        rest = (word.rjust(width) for word, width in zip(line[1:], widths[1:], strict=True))
        return "  ".join([line[0].ljust(widths[0]), *rest]).rstrip()

    return "\n".join(aligned(line) for line in lines) + "\n"


def _layers(count: int | None) -> str:
    return "∞" if count is None else str(count)


def _cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key in SHARES:
        return f"{100 * value:.1f} %"
    if key == "closed":
        return "yes" if value else "no"
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def to_csv(rows: Sequence[Row]) -> str:
    """Return rows as CSV with a header, full precision; empty where a figure does not exist."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
