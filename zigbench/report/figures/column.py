"""A figure in one column of a paper: its width, letters that can be read there, and labels that do not overlap."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axis import XAxis
    from matplotlib.figure import Figure

WIDTH = 3.4
"""Inches of a figure with one pair of axes: columns of the field's two-column papers are 3.2 to 3.5 wide."""

PANELS_WIDTH = 5.5
"""Inches of a figure with several, which would be illegible in less: the column of a one-column paper."""

SCALE = 0.76
"""Size of letters, lines and heights, of those on a page; a page's figure is 7.2 inches wide."""

SMALLEST = 6.0
"""Points of the smallest letters."""

GAP = 3.0
"""Points between two labels of an axis."""


def fit_column(figure: Figure) -> None:
    """Change a figure from a page's width to that of a column.

    Where there is one pair of axes, letters, lines and the height shrink less than the width: the axes give up what the
    labels beside them need. Where there are several, all shrinks alike.

    Args:
        figure: drawn for a page; it is changed.
    """
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

    width, height = figure.get_size_inches()
    panels = len(figure.axes) > 1
    figure.set_size_inches(min(width * SCALE, PANELS_WIDTH if panels else WIDTH), height * SCALE)
    every = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    ticks = {label for axis in every for label in axis.get_ticklabels(which="both")}
    for axis in every:
        if labels := axis.get_ticklabels():
            axis.set_tick_params(labelsize=_letters(labels[0].get_fontsize()))
    artists: Any = figure.findobj(lambda artist: isinstance(artist, (Text, Line2D, Collection)))
    for artist in artists:
        if isinstance(artist, Text):
            if artist not in ticks:
                artist.set_fontsize(_letters(artist.get_fontsize()))
        elif isinstance(artist, Line2D):
            artist.set_linewidth(SCALE * artist.get_linewidth())
            artist.set_markersize(SCALE * artist.get_markersize())
        else:
            artist.set_linewidth([SCALE * one for one in artist.get_linewidth()])
    for _ in range(0 if panels else 3):
        for axes in figure.axes:
            _thin(axes.xaxis, GAP / 72 * figure.dpi)
        if not _make_room(figure):
            break


def _letters(size: Any) -> float:
    return max(SMALLEST, SCALE * float(size))


def _make_room(figure: Figure) -> bool:
    """Move the axes inwards until nothing stands outside the figure; return whether anything did."""
    box, width = figure.get_tightbbox(), figure.get_figwidth()
    left, right = max(0.0, -box.x0) / width, max(0.0, box.x1 - width) / width
    if left + right < 0.005 or left + right > 0.6:
        return False
    for axes in figure.axes:
        place = axes.get_position()
        axes.set_position(
            (left + place.x0 * (1 - left - right), place.y0, place.width * (1 - left - right), place.height)
        )
    return True


def _thin(axis: XAxis, gap: float) -> None:
    """Keep every second, third … label, so that any two are ``gap`` pixels apart."""
    from matplotlib.ticker import FixedFormatter, FixedLocator

    axis.axes.apply_aspect()
    places = list(axis.get_majorticklocs())
    labels = list(axis.get_ticklabels())
    low, high = sorted(axis.get_view_interval())
    shown = [(p, label) for p, label in zip(places, labels, strict=True) if low <= p <= high and label.get_text()]
    for step in range(1, len(shown) + 1):
        boxes = [label.get_window_extent() for _, label in shown[::step]]
        if all(left.x1 + gap <= right.x0 for left, right in pairwise(boxes)):
            break
    if len(shown) > 1 and step > 1:
        axis.set_major_locator(FixedLocator([place for place, _ in shown[::step]]))
        axis.set_major_formatter(FixedFormatter([label.get_text() for _, label in shown[::step]]))
