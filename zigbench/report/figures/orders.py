"""Scan orders: each curve of a suite as a path over its grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zigbench import scan
from zigbench.report import formatting
from zigbench.report.figures.drawing import BETTER, MUTED, WORSE, Drawing, canvas, styled
from zigbench.report.figures.registry import FigureRequest, NoFigureError, figure, request
from zigbench.report.results import Results
from zigbench.report.statistics import mean_interval
from zigbench.scan.render import draw


@figure("orders", standard=True)
def orders_of_arms(results: Results) -> FigureRequest:
    """Show every scan curve of the suite, with the scores of its arms."""
    scores = results.values(results.metrics[0]) if results.metrics else None
    by_curve: dict[str, tuple[scan.ScanOrder, list[str]]] = {}
    for arm, (run, *_) in results.by_arm.items():
        spec = run.cell.spec
        if spec.scan is None or not spec.config.sees_order():
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
        draw(_first_frame(order), axes, colours=(BETTER, WORSE))
        axes.set_anchor("W")
        axes.set_title(title, fontweight="bold", pad=5)
        for line, words in enumerate(text):
            axes.text(0, -0.06 - 0.13 * line, words, transform=axes.transAxes, va="top", fontsize=8, color=MUTED)
        descriptions.append(f"{title}: {', '.join(text)}")
    caption = (
        "The first direction of each curve. Dot: first patch; square: last. Blue: a step to a neighbour; red: a jump. "
        "Continuity is the share of steps that go to a neighbour."
    )
    if any(len(order.grid) == 3 for order, _ in orders.values()):
        caption += " Of an order of clips, the patches of the first frame."
    return Drawing(name, figure, "Scan orders", caption, f"Scan orders. {'; '.join(descriptions)}.")


def _first_frame(order: scan.ScanOrder) -> scan.ScanOrder:
    """Return the order in which the tokens of frame 0 are visited; an image's order as it is."""
    height, width = order.grid[-2:]
    tokens = order.order[order.order < height * width]
    return scan.ScanOrder(tokens, order.curve, order.variant, (height, width), order.seed)
