"""Locality and reach of scan curves, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zigbench.report import formatting
from zigbench.report.figures.drawing import (
    MARKERS,
    Drawing,
    canvas,
    plain_log_ticks,
    series_style,
    styled,
)
from zigbench.scan import ScanOrder, locality, reach


@styled
def curves_compared(cycles: Mapping[str, Sequence[ScanOrder]], name: str = "curves") -> Drawing:
    """Draw the locality of each cycle's first order beside the reach of the whole cycle.

    Args:
        cycles: the orders that the layers of a network use in turn, by label; all of one grid.
        name: stem of the files.

    Raises:
        ValueError: no cycles.
    """
    if not cycles:
        raise ValueError("a comparison needs at least one curve")
    height = max(3.2, 0.9 + 0.17 * len(cycles))
    figure = canvas(7.2, height)
    bottom, tall = 0.45 / height, 1 - 0.75 / height
    left, right = (figure.add_axes((start, bottom, 0.33, tall)) for start in (0.075, 0.495))
    words = []
    for position, (label, cycle) in enumerate(cycles.items()):
        look = series_style(position)
        left.plot(*locality(cycle[0]), **look)
        share = reach(cycle).share
        marker = MARKERS[position % len(MARKERS)]
        right.plot(range(1, len(share) + 1), share, marker=marker, markersize=4, label=label, **look)
        words.append(
            f"{label}: {formatting.number(100 * float(share[-1]))} % after {formatting.count(len(share), 'layer')}"
        )
    first = next(iter(cycles.values()))
    left.set(xscale="log", yscale="log", xlabel="Steps apart", ylabel="Mean distance on the grid")
    left.set_title("Locality")
    plain_log_ticks(left, "x")
    plain_log_ticks(left, "y")
    right.set(xlabel="Layer", ylabel="Pairs of tokens reached", ylim=(0, 1.03))
    right.set_title("Reach")
    right.locator_params(axis="x", integer=True)
    for axes in (left, right):
        axes.grid()
    right.legend(
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        fontsize=8.5,
        labelcolor="linecolor",
        handlelength=3.2,
    )
    grid = "×".join(map(str, first[0].grid))
    caption = (
        f"Left: mean Manhattan distance on the {grid} grid of tokens so many steps apart, first directions. "
        f"Right: share of token pairs between which information has passed, in layers that use "
        f"{formatting.count(len(first), 'direction')} in turn."
    )
    return Drawing(name, figure, "Scan curves compared", caption, f"Pairs of tokens reached. {'; '.join(words)}.")
