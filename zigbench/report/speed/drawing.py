"""Drawings of speed and memory: panels over a size, both axes logarithmic, and the roofline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zigbench.report import formatting
from zigbench.report.figures.drawing import (
    MARKERS,
    MUTED,
    PAPER,
    Drawing,
    canvas,
    end_labels,
    plain_log_ticks,
    series_style,
    styled,
)
from zigbench.report.speed.series import DOUBTS, SpeedPoint
from zigbench.report.statistics import PowerLaw, power_law

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MIN_SPAN = 6.0
"""Smallest ratio between the ends of a vertical axis."""

LEGEND_COLUMNS = 4

Panels = Mapping[str, Mapping[str, Sequence[SpeedPoint]]]
"""Points by the panel's title and the line's label."""


@styled
def panels(
    lines: Panels, x: str, metric: str, name: str, unit: str = "", *, exponents: bool = True, caption: str = ""
) -> Drawing:
    """Draw a panel per title, in each a line per label, with the exponent of its power law beside it.

    A bar spans the rounds. A cross at the foot stands where a run did not fit into the memory; hollow marks are of
    cells in doubt.
    """
    places = _places(lines)
    figure, every = _layout(len(lines), places, exponents)
    tips: dict[str, str] = {}
    descriptions = []
    for row, (axes, (title, by_label)) in enumerate(zip(every, lines.items(), strict=True)):
        ends: dict[str, tuple[float, str]] = {}
        for label, points in by_label.items():
            drawn = [point for point in points if point.drawable]
            law = None
            if exponents and len({point.x for point in drawn}) > 1:
                law = power_law([point.x for point in drawn], [point.y.mean for point in drawn])
            for gid, point in _draw_line(axes, drawn, places[label], f"spot-{row}-{places[label]}"):
                text = f"{label}, {formatting.number(point.x)} {x.lower()}: {point.y} {unit}".rstrip()
                tips[gid] = ", ".join((text, *point.doubts))
            if drawn and (exponents or len(lines) == 1):
                end = f"{label if len(lines) == 1 else ''}  {formatting.exponent(law)}".strip()
                # Invisible characters keep equal texts apart.
                ends[end + "\u200b" * places[label]] = (drawn[-1].y.mean, str(series_style(places[label])["color"]))
            descriptions.append(f"{title}, {label}: {_describe(points, law)}")
        _finish_axes(axes, [point.x for points in by_label.values() for point in points])
        tips |= _draw_crosses(axes, by_label, places, str(row), x)
        end_labels(axes, ends)
        if len(lines) > 1:
            axes.set_title(title, fontweight="bold")
        axes.set_xlabel(x)
        if axes.get_position().x0 < 0.2:
            axes.set_ylabel(formatting.title(metric) + (f" ({unit})" if unit else ""))
    headline = f"{formatting.title(metric)} against {x[:1].lower()}{x[1:]}"
    words = " ".join(part for part in (_legend_text(lines, exponents), caption) if part)
    return Drawing(name, figure, headline, words, f"{headline}. {'; '.join(descriptions)}.", tips)


def _places(lines: Panels) -> dict[str, int]:
    """Return each label's place among the colours, the same in every panel."""
    labels = dict.fromkeys(label for by_label in lines.values() for label in by_label)
    return {label: place for place, label in enumerate(labels)}


def _draw_line(
    axes: Axes, points: Sequence[SpeedPoint], place: int, gid: str, scale: float = 1.0
) -> Iterator[tuple[str, SpeedPoint]]:
    """Draw points, their bars and the line through them; yield each point's gid for its hover text."""
    look, marker = series_style(place), MARKERS[place % len(MARKERS)]
    colour = str(look["color"])
    axes.plot([p.x for p in points], [p.y.mean / scale for p in points], linewidth=1.1, alpha=0.75, **look)
    for index, point in enumerate(points):
        if point.y.n > 1:
            ends = [point.y.low / scale, point.y.high / scale]
            axes.plot([point.x, point.x], ends, color=colour, linewidth=1.1, alpha=0.75)
        face = PAPER if point.doubts else colour
        (dot,) = axes.plot(point.x, point.y.mean / scale, marker, color=colour, markerfacecolor=face, markersize=5)
        dot.set_gid(f"{gid}-{index}")
        yield f"{gid}-{index}", point


def _draw_crosses(
    axes: Axes, by_label: Mapping[str, Sequence[SpeedPoint]], places: Mapping[str, int], row: str, x: str
) -> dict[str, str]:
    """Draw a cross at the foot for each cell that does not fit, one above another at one size; return hover texts."""
    tips: dict[str, str] = {}
    levels: dict[float, int] = {}
    for label, points in by_label.items():
        for point in points:
            if point.fits:
                continue
            level = levels[point.x] = levels.get(point.x, -1) + 1
            (cross,) = axes.plot(
                point.x, 0.045 + 0.07 * level, "x", transform=axes.get_xaxis_transform(), markersize=6,
                markeredgewidth=1.6, color=str(series_style(places[label])["color"]), clip_on=False,
            )  # fmt: skip
            gid = f"cross-{row}-{places[label]}-{level}"
            cross.set_gid(gid)
            tips[gid] = f"{label}, {formatting.number(point.x)} {x.lower()}: does not fit"
    return tips


def _finish_axes(axes: Axes, sizes: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = sorted({size for size in sizes if size > 0})
    labels = [formatting.number(tick) for tick in ticks]
    # A label needs about as many points as its text is wide; of neighbours too close, the larger goes.
    room = axes.get_window_extent().width / axes.figure.dpi * 72
    span = math.log(ticks[-1] / ticks[0]) if len(ticks) > 1 else 1.0
    last = -math.inf
    for index, tick in enumerate(ticks):
        position = room * math.log(tick / ticks[0]) / span
        if position - last < 6.2 * len(labels[index]):
            labels[index] = ""
        else:
            last = position
    axes.set_xticks(ticks, labels)
    axes.minorticks_off()
    axes.margins(x=0.05, y=0.12)
    low, high = axes.get_ylim()
    if high < MIN_SPAN * low:  # A figure that hardly varies shall look like it.
        middle = math.sqrt(low * high)
        axes.set_ylim(middle / math.sqrt(MIN_SPAN), middle * math.sqrt(MIN_SPAN))
    plain_log_ticks(axes)
    axes.grid()


def _describe(points: Sequence[SpeedPoint], law: PowerLaw | None) -> str:
    words = [
        f"{formatting.number(p.x)} {p.y if p.drawable else 'no result' if p.fits else 'does not fit'}"
        + "".join(f", {doubt}" for doubt in p.doubts)
        for p in points
    ]
    return "; ".join(words) + (f"; exponent {formatting.exponent(law)}" if law else "")


def _legend_text(lines: Panels, exponents: bool) -> str:
    points = [point for by_label in lines.values() for of_line in by_label.values() for point in of_line]
    sentences = ["Both axes logarithmic."]
    if exponents:
        sentences.append("Beside a line: the exponent of the power law through it, ± half of its 95 % interval.")
    sentences += ["Bars: the range of the rounds."] * any(point.y.n > 1 for point in points)
    sentences += [f"Hollow: {DOUBTS}."] * any(point.doubts for point in points)
    sentences += ["Cross at the foot: does not fit into the memory."] * any(not point.fits for point in points)
    return " ".join(sentences)


@dataclass(frozen=True)
class Roof:
    """A ceiling of the device: arithmetic in FLOP/s, or, where ``sloped``, traffic in B/s."""

    label: str
    rate: float
    sloped: bool = False


@styled
def roofline(lines: Panels, roofs: Sequence[Roof], name: str = "roofline", *, caption: str = "") -> Drawing:
    """Draw attained arithmetic (TFLOP/s or GFLOP/s) over arithmetic intensity (FLOP/B), under the measured ceilings."""
    places = _places(lines)
    points = [p for by_label in lines.values() for of_line in by_label.values() for p in of_line if p.drawable]
    top = max(roof.rate for roof in roofs if not roof.sloped)
    scale, unit = (1e12, "TFLOP/s") if top >= 2e12 else (1e9, "GFLOP/s")
    figure, every = _layout(len(lines), places, exponents=False)
    tips: dict[str, str] = {}
    descriptions = [f"{roof.label} {_format_rate(roof, scale, unit)}" for roof in roofs]
    edges = _edges([point.x for point in points], roofs)
    for row, (axes, (title, by_label)) in enumerate(zip(every, lines.items(), strict=True)):
        _draw_roofs(axes, roofs, edges, scale)
        ends: dict[str, tuple[float, str]] = {}
        for label, of_line in by_label.items():
            drawn = [point for point in of_line if point.drawable]
            for gid, point in _draw_line(axes, drawn, places[label], f"dot-{row}-{places[label]}", scale):
                tips[gid] = f"{label}: {point.y.mean / scale:.3g} {unit} at {point.x:.3g} FLOP/B"
            if drawn:
                if len(lines) == 1:
                    ends[label] = (drawn[-1].y.mean / scale, str(series_style(places[label])["color"]))
                rates = ", ".join(f"{p.y.mean / scale:.3g} at {p.x:.3g} FLOP/B" for p in drawn)
                descriptions.append(f"{title}, {label}: {rates}")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(*edges)
        axes.set_ylim(top=3 * top / scale)
        plain_log_ticks(axes)
        plain_log_ticks(axes, "x")
        axes.grid()
        axes.set_xlabel("Arithmetic intensity (FLOP/B)")
        if row == 0:
            axes.set_ylabel(f"Attained ({unit})")
        if len(lines) > 1:
            axes.set_title(title, fontweight="bold")
        end_labels(axes, ends)
    words = "Both axes logarithmic. Grey: the highest rates measured on the device, in the same session."
    hollow = f"Hollow: {DOUBTS}." if any(point.doubts for point in points) else ""
    words = " ".join(part for part in (words, hollow, caption) if part)
    return Drawing(name, figure, "Roofline", words, f"Roofline. {'; '.join(descriptions)}.", tips)


def _draw_roofs(axes: Axes, roofs: Sequence[Roof], edges: tuple[float, float], scale: float) -> None:
    """Draw the ceilings, each labelled on its line: the sloped at the left, the level at the right."""
    top = max((roof.rate for roof in roofs if not roof.sloped), default=math.inf)
    for roof in roofs:
        right = min(edges[1], top / roof.rate) if roof.sloped else edges[1]
        ends = [edges[0], right]
        heights = [roof.rate * (v if roof.sloped else 1) / scale for v in ends]
        axes.plot(ends, heights, color=MUTED, linewidth=1, linestyle=(0, (5, 2)))
        place, across = ((ends[0], heights[0]), 4) if roof.sloped else ((edges[1], heights[1]), -3)
        axes.annotate(
            roof.label, place, xytext=(across, 3), textcoords="offset points", fontsize=7.5, color=MUTED, va="bottom",
            ha="left" if roof.sloped else "right",
        )  # fmt: skip


def _format_rate(roof: Roof, scale: float, unit: str) -> str:
    return f"{roof.rate / 1e9:.3g} GB/s" if roof.sloped else f"{roof.rate / scale:.3g} {unit}"


def _edges(intensities: Sequence[float], roofs: Sequence[Roof]) -> tuple[float, float]:
    """Return a range from below the smallest intensity, or the ridge, to above the largest."""
    ridges = [a.rate / b.rate for a in roofs if not a.sloped for b in roofs if b.sloped]
    inside = [*intensities, *ridges] or [1.0]
    return min(inside) / 2.5, max(inside) * 2


def _layout(count: int, places: Mapping[str, int], exponents: bool) -> tuple[Figure, list[Axes]]:
    """Lay out one wide panel with labels beside it, or two or three in a row under a legend."""
    across = 1 if count == 1 else 2 if exponents or count in (2, 4) else 3
    width, down = 7.2, -(-count // across)
    top = 0.1 if count == 1 else 0.2 + 0.2 * -(-len(places) // LEGEND_COLUMNS)
    left, beside, height = {1: (0.75, 2.1, 3.2), 2: (0.62, 0.88, 2.45), 3: (0.62, 0.1, 1.75)}[across]
    gap_below, cell = 0.62, (width - 0.08) / across
    whole = top + down * (height + gap_below)
    figure = canvas(width, whole)
    every = []
    for index in range(count):
        row, column = divmod(index, across)
        bottom = whole - top - (row + 1) * (height + gap_below) + gap_below - 0.08
        box = ((column * cell + left) / width, bottom / whole, (cell - left - beside) / width, (height - 0.1) / whole)
        axes = figure.add_axes(box)
        axes.tick_params(color=MUTED)
        every.append(axes)
    if count > 1:
        _draw_legend(figure, places)
    return figure, every


def _draw_legend(figure: Figure, places: Mapping[str, int]) -> None:
    """Draw a legend above the panels: each line's mark and name in its own colour."""
    from matplotlib.lines import Line2D

    styles = {label: series_style(place) for label, place in places.items()}
    handles = [
        Line2D([], [], marker=MARKERS[places[label] % len(MARKERS)], markersize=5, linewidth=1.1, label=label, **look)
        for label, look in styles.items()
    ]
    legend = figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.0, 1.0), ncols=LEGEND_COLUMNS, frameon=False, fontsize=8.5,
        columnspacing=1.4, handlelength=1.9, borderaxespad=0.2,
    )  # fmt: skip
    for text, look in zip(legend.get_texts(), styles.values(), strict=True):
        text.set_color(str(look["color"]))
