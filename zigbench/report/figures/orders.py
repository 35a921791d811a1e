"""Scan orders: each curve of a suite as a path over its grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from zigbench import scan
from zigbench.report import formatting
from zigbench.report.figures.drawing import BETTER, MUTED, WORSE, Drawing, canvas, styled
from zigbench.report.figures.registry import FigureRequest, NoFigureError, figure, request
from zigbench.report.results import Results
from zigbench.report.statistics import mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@figure("orders", standard=True)
def orders_of_arms(results: Results) -> FigureRequest:
    """Every curve of the suite as a picture, with the scores of its arms."""
    scores = results.values(results.metrics[0]) if results.metrics else None
    by_curve: dict[str, tuple[scan.ScanOrder, list[str]]] = {}
    for arm, (run, *_) in results.by_arm.items():
        spec = run.cell.spec
        if spec.scan is None:
            continue
        order = scan.make_order(spec.scan.curve, spec.config.scan_grid(spec.geometry), 0, seed=0)
        continuity = scan.statistics(order)["continuity"]
        title = spec.scan.curve if len(order.grid) == 2 else f"{spec.scan.curve}, of clips"
        _, lines = by_curve.setdefault(title, (order, [f"continuity {continuity:.3f}"]))
        score = mean_interval([] if scores is None else scores.loc[arm])
        lines.append(f"{arm}: {formatting.plus_minus(score) if score.n else 'no result'}")
    if not by_curve:
        raise NoFigureError("no arm has a scan order")
    return request(scan_orders, by_curve)


@styled
def scan_orders(orders: Mapping[str, tuple[scan.ScanOrder, Sequence[str]]], name: str = "orders") -> Drawing:
    """Draw each curve's path over the grid, steps to a neighbour unlike jumps, with lines of text below.

    Args:
        orders: by title, the order to draw and the lines of text below it.
        name: stem of the files.
    """
    # Three or four in a row, whichever leaves fewer places empty.
    across = min(max(len(orders), 1), min((4, 3), key=lambda n: -len(orders) % n))
    down = -(-max(len(orders), 1) // across)
    lines = max((len(text) for _, text in orders.values()), default=0)
    below = 0.17 * lines + 0.3
    figure = canvas(7.2, down * (1.62 + below) + 0.1)
    height = figure.get_figheight()
    descriptions = []
    for position, (title, (order, text)) in enumerate(orders.items()):
        row, column = divmod(position, across)
        bottom = height - (row + 1) * (1.62 + below) + below
        axes = figure.add_axes((column / across + 0.015, bottom / height, 1 / across - 0.04, 1.42 / height))
        _draw_order(axes, order)
        axes.set_title(title, fontweight="bold", pad=5)
        for line, words in enumerate(text):
            axes.text(0, -0.06 - 0.13 * line, words, transform=axes.transAxes, va="top", fontsize=8, color=MUTED)
        descriptions.append(f"{title}: {', '.join(text)}")
    caption = (
        "The first direction of each curve. Dot: first patch. Blue: a step to a neighbour; red: a jump. "
        "Continuity is the share of steps that go to a neighbour."
    )
    if any(len(order.grid) == 3 for order, _ in orders.values()):
        caption += " Of an order of clips, the patches of the first frame."
    return Drawing(name, figure, "Scan orders", caption, f"Scan orders. {'; '.join(descriptions)}.")


def _draw_order(axes: Axes, order: scan.ScanOrder) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    grid = order.grid[-2:]
    order_2d = np.asarray(order.order)[: grid[0] * grid[1]] if len(order.grid) == 2 else _first_frame(order)
    y, x = np.unravel_index(order_2d, grid)
    points = np.column_stack([x, y]).astype(float)
    near = np.abs(np.diff(points, axis=0)).sum(axis=1) == 1
    width = max(0.5, 14 / max(grid))
    for wanted, colour, thickness in ((False, WORSE, 0.45 * width), (True, BETTER, width)):
        pairs = np.flatnonzero(near == wanted)
        if len(pairs):
            vertices = np.stack([points[pairs], points[pairs + 1]], axis=1).reshape(-1, 2)
            path = Curve(vertices, [Curve.MOVETO, Curve.LINETO] * len(pairs))
            axes.add_patch(
                PathPatch(path, fill=False, edgecolor=colour, linewidth=min(thickness, 1.8), capstyle="round")
            )
    axes.plot(*points[0], "o", color=BETTER, markersize=4.5)
    axes.set_xlim(-0.7, grid[1] - 0.3)
    axes.set_ylim(grid[0] - 0.3, -0.7)
    axes.set_aspect("equal", anchor="W")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _first_frame(order: scan.ScanOrder) -> np.ndarray:
    """Return the tokens of frame 0 in the order of their visit."""
    tokens = np.asarray(order.order)
    size = order.grid[-2] * order.grid[-1]
    return tokens[tokens < size]
