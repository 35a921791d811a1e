"""Speed and memory over a size, both logarithmic: a panel for each mode or kind of memory; and the roofline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from zigbench.report.statistics import PowerLaw, power_law

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


APART = 0.05
"""Share by which the rounds of a cell may differ."""

DOUBTFUL = f"disturbed, never steady, or with rounds more than {100 * APART:g} % apart"
"""What can be said against a cell."""


@dataclass(frozen=True)
class Rounds:
    """A cell's figure in each of its rounds. There are too few of them for an interval: what is told is their range."""

    values: tuple[float, ...]

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        """NaN of none, as are the ends of the range."""
        return sum(self.values) / self.n if self.values else math.nan

    @property
    def low(self) -> float:
        return min(self.values, default=math.nan)

    @property
    def high(self) -> float:
        return max(self.values, default=math.nan)

    @property
    def apart(self) -> float:
        """Share by which the largest exceeds the least; 0 where there are not two."""
        return self.high / self.low - 1 if self.n > 1 and self.low > 0 else 0.0

    def __str__(self) -> str:
        """``302 (280 to 324)``; the figure alone where the rounds agree."""
        shown = formatting.number(self.mean)
        ends = [formatting.number(end) for end in (self.low, self.high)]
        return shown if self.n < 2 or ends[0] == ends[1] else f"{shown} ({ends[0]} to {ends[1]})"


@dataclass(frozen=True)
class Spot:
    """One cell over all its rounds: where it stands, its figure, and what is to be said against it.

    Args:
        x: on the horizontal axis.
        y: the rounds; of none where nothing was measured.
        fits: False where the run ran out of memory.
        doubts: why not to build on the figure, in words; none where nothing speaks against it.
    """

    x: float
    y: Rounds
    fits: bool = True
    doubts: tuple[str, ...] = ()

    @property
    def drawable(self) -> bool:
        return self.x > 0 and math.isfinite(self.y.mean) and self.y.mean > 0


SPAN = 6.0
"""Least ratio between the ends of a vertical axis."""

LEGEND = 4
"""Names in a row of the legend."""

Panels = Mapping[str, Mapping[str, Sequence[Spot]]]
"""By the panel's title and the line's label."""


@styled
def panels(
    shown: Panels, x: str, metric: str, name: str, unit: str = "", *, slopes: bool = True, caption: str = ""
) -> Drawing:
    """A panel a title, in each a line a label, its power law's exponent beside it where ``slopes`` are asked for.

    A bar spans the rounds. A cross at the foot stands where a run did not fit into the memory; hollow marks are of
    cells with doubts.
    """
    places = _places(shown)
    figure, every = _layout(len(shown), places, slopes)
    tips: dict[str, str] = {}
    said = []
    for row, (axes, (title, lines)) in enumerate(zip(every, shown.items(), strict=True)):
        ends: dict[str, tuple[float, str]] = {}
        for label, spots in lines.items():
            law = _line(axes, label, spots, places[label], f"{row}-{places[label]}", x, unit, slopes, tips)
            drawn = [spot for spot in spots if spot.drawable]
            if drawn and (slopes or len(shown) == 1):
                end = f"{label if len(shown) == 1 else ''}  {_slope(law)}".strip()
                # Equal ends are told apart by what can't be seen.
                ends[end + "\u200b" * places[label]] = (drawn[-1].y.mean, str(series_style(places[label])["color"]))
            said.append(f"{title}, {label}: {_says(spots, law)}")
        _finish(axes, title if len(shown) > 1 else "", [s.x for spots in lines.values() for s in spots])
        _crosses(axes, lines, places, str(row), x, tips)
        end_labels(axes, ends)
        axes.set_xlabel(x)
        if axes.get_position().x0 < 0.2:
            axes.set_ylabel(formatting.title(metric) + (f" ({unit})" if unit else ""))
    whole = " ".join(part for part in (_legend(shown, slopes), caption) if part)
    headline = f"{formatting.title(metric)} against {x[:1].lower()}{x[1:]}"
    return Drawing(name, figure, headline, whole, f"{headline}. {'; '.join(said)}.", tips)


def _places(shown: Panels) -> dict[str, int]:
    """Each label's place among the colours, the same in every panel."""
    return {label: i for i, label in enumerate(dict.fromkeys(label for lines in shown.values() for label in lines))}


def _line(
    axes: Axes, label: str, spots: Sequence[Spot], place: int, gid: str, x: str, unit: str, slopes: bool,
    tips: dict[str, str],
) -> PowerLaw | None:  # fmt: skip
    """Draw a line's points and its fitted law, and say them."""
    look, marker = series_style(place), MARKERS[place % len(MARKERS)]
    colour = str(look["color"])
    drawn = [spot for spot in spots if spot.drawable]
    law = None
    if slopes and len({spot.x for spot in drawn}) > 1:
        law = power_law([spot.x for spot in drawn], [spot.y.mean for spot in drawn])
    axes.plot([s.x for s in drawn], [s.y.mean for s in drawn], linewidth=1.1, alpha=0.75, **look)
    for index, spot in enumerate(drawn):
        if spot.y.n > 1:
            axes.plot([spot.x, spot.x], [spot.y.low, spot.y.high], color=colour, linewidth=1.1, alpha=0.75)
        face = PAPER if spot.doubts else colour
        (dot,) = axes.plot(spot.x, spot.y.mean, marker, color=colour, markerfacecolor=face, markersize=5)
        dot.set_gid(f"spot-{gid}-{index}")
        text = f"{label}, {formatting.number(spot.x)} {x.lower()}: {spot.y} {unit}".rstrip()
        tips[f"spot-{gid}-{index}"] = ", ".join((text, *spot.doubts))
    return law


def _crosses(
    axes: Axes, lines: Mapping[str, Sequence[Spot]], places: Mapping[str, int], row: str, x: str, tips: dict[str, str]
) -> None:
    """A cross at the foot for each cell that does not fit, one above another where several share a size."""
    stacked: dict[float, int] = {}
    for label, spots in lines.items():
        for spot in spots:
            if spot.fits:
                continue
            level = stacked[spot.x] = stacked.get(spot.x, -1) + 1
            (cross,) = axes.plot(
                spot.x, 0.045 + 0.07 * level, "x", transform=axes.get_xaxis_transform(), markersize=6,
                markeredgewidth=1.6, color=str(series_style(places[label])["color"]), clip_on=False,
            )  # fmt: skip
            gid = f"cross-{row}-{places[label]}-{level}"
            cross.set_gid(gid)
            tips[gid] = f"{label}, {formatting.number(spot.x)} {x.lower()}: does not fit"


def _finish(axes: Axes, title: str, sizes: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = sorted({size for size in sizes if size > 0})
    labels = [formatting.number(tick) for tick in ticks]
    # A label needs about as many points as its text is wide; of neighbours too close, the larger goes.
    room = axes.get_window_extent().width / axes.figure.dpi * 72
    span = math.log(ticks[-1] / ticks[0]) if len(ticks) > 1 else 1.0
    last = -math.inf
    for index, tick in enumerate(ticks):
        at = room * math.log(tick / ticks[0]) / span
        if at - last < 6.2 * len(labels[index]):
            labels[index] = ""
        else:
            last = at
    axes.set_xticks(ticks, labels)
    axes.minorticks_off()
    axes.margins(x=0.05, y=0.12)
    low, high = axes.get_ylim()
    if high < SPAN * low:  # What hardly varies shall look like it.
        middle = math.sqrt(low * high)
        axes.set_ylim(middle / math.sqrt(SPAN), middle * math.sqrt(SPAN))
    plain_log_ticks(axes)
    axes.grid()
    if title:
        axes.set_title(title, fontweight="bold")


def _slope(law: PowerLaw | None) -> str:
    """``−1.02 ± 0.03``; the slope alone where two points leave no interval."""
    if law is None:
        return ""
    half = (law.high - law.low) / 2
    text = formatting.signed(round(law.exponent, 2), 2)
    return f"{text} ± {half:.2f}" if math.isfinite(half) else text


def _says(spots: Sequence[Spot], law: PowerLaw | None) -> str:
    words = [
        f"{formatting.number(s.x)} {s.y if s.drawable else 'no result' if s.fits else 'does not fit'}"
        + "".join(f", {doubt}" for doubt in s.doubts)
        for s in spots
    ]
    return "; ".join(words) + (f"; slope {_slope(law)}" if law else "")


def _legend(shown: Panels, slopes: bool) -> str:
    spots = [spot for lines in shown.values() for of in lines.values() for spot in of]
    said = ["Both axes logarithmic."]
    if slopes:
        said.append("Beside a line: the exponent of the power law through it, ± half of its 95 % interval.")
    said += ["Bars: the range of the rounds."] * any(spot.y.n > 1 for spot in spots)
    said += [f"Hollow: {DOUBTFUL}."] * any(spot.doubts for spot in spots)
    said += ["Cross at the foot: does not fit into the memory."] * any(not spot.fits for spot in spots)
    return " ".join(said)


@dataclass(frozen=True)
class Roof:
    """A ceiling of the device: arithmetic in FLOP/s, or, where ``sloped``, traffic in B/s."""

    label: str
    rate: float
    sloped: bool = False


@styled
def roofline(shown: Panels, roofs: Sequence[Roof], name: str = "roofline", *, caption: str = "") -> Drawing:
    """Attained arithmetic (TFLOP/s or GFLOP/s) over arithmetic intensity (FLOP/B), under the measured ceilings."""
    places = _places(shown)
    spots = [s for lines in shown.values() for of in lines.values() for s in of if s.drawable]
    scale, unit = (1e12, "TFLOP/s") if max(roof.rate for roof in roofs if not roof.sloped) >= 2e12 else (1e9, "GFLOP/s")
    figure, every = _layout(len(shown), places, slopes=False)
    tips: dict[str, str] = {}
    said = [f"{roof.label} {_rate(roof, scale, unit)}" for roof in roofs]
    edge = _edges([s.x for s in spots], roofs)
    for row, (axes, (title, lines)) in enumerate(zip(every, shown.items(), strict=True)):
        _roofs(axes, roofs, edge, scale)
        ends: dict[str, tuple[float, str]] = {}
        for label, of in lines.items():
            look, marker = series_style(places[label]), MARKERS[places[label] % len(MARKERS)]
            drawn = [s for s in of if s.drawable]
            axes.plot([s.x for s in drawn], [s.y.mean / scale for s in drawn], linewidth=0.8, alpha=0.6, **look)
            for index, spot in enumerate(drawn):
                face = PAPER if spot.doubts else look["color"]
                (dot,) = axes.plot(
                    spot.x, spot.y.mean / scale, marker, color=look["color"], markerfacecolor=face, markersize=5
                )
                gid = f"dot-{row}-{places[label]}-{index}"
                dot.set_gid(gid)
                tips[gid] = f"{label}: {spot.y.mean / scale:.3g} {unit} at {spot.x:.3g} FLOP/B"
            if drawn:
                if len(shown) == 1:
                    ends[label] = (drawn[-1].y.mean / scale, str(look["color"]))
                rates = ", ".join(f"{s.y.mean / scale:.3g} at {s.x:.3g} FLOP/B" for s in drawn)
                said.append(f"{title}, {label}: {rates}")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(*edge)
        axes.set_ylim(top=3 * max(roof.rate for roof in roofs if not roof.sloped) / scale)
        plain_log_ticks(axes)
        plain_log_ticks(axes, "x")
        axes.grid()
        axes.set_xlabel("Arithmetic intensity (FLOP/B)")
        if row == 0:
            axes.set_ylabel(f"Attained ({unit})")
        if len(shown) > 1:
            axes.set_title(title, fontweight="bold")
        end_labels(axes, ends)
    words = "Both axes logarithmic. Grey: what the device was measured to do at best, in the same session."
    hollow = f"Hollow: {DOUBTFUL}." if any(spot.doubts for spot in spots) else ""
    whole = " ".join(part for part in (words, hollow, caption) if part)
    return Drawing(name, figure, "Roofline", whole, f"Roofline. {'; '.join(said)}.", tips)


def _roofs(axes: Axes, roofs: Sequence[Roof], edge: tuple[float, float], scale: float) -> None:
    """The ceilings, each labelled on its line: the sloped at the left, the level at the right."""
    top = max((roof.rate for roof in roofs if not roof.sloped), default=math.inf)
    for roof in roofs:
        right = min(edge[1], top / roof.rate) if roof.sloped else edge[1]
        ends = [edge[0], right]
        heights = [roof.rate * (v if roof.sloped else 1) / scale for v in ends]
        axes.plot(ends, heights, color=MUTED, linewidth=1, linestyle=(0, (5, 2)))
        place, across = (ends[0], heights[0]) if roof.sloped else (edge[1], heights[1]), 4 if roof.sloped else -3
        axes.annotate(
            roof.label, place, xytext=(across, 3), textcoords="offset points", fontsize=7.5, color=MUTED, va="bottom",
            ha="left" if roof.sloped else "right",
        )  # fmt: skip


def _rate(roof: Roof, scale: float, unit: str) -> str:
    return f"{roof.rate / 1e9:.3g} GB/s" if roof.sloped else f"{roof.rate / scale:.3g} {unit}"


def _edges(intensities: Sequence[float], roofs: Sequence[Roof]) -> tuple[float, float]:
    """From below the least intensity, or the ridge, to above the greatest."""
    ridges = [a.rate / b.rate for a in roofs if not a.sloped for b in roofs if b.sloped]
    known = [*intensities, *ridges] or [1.0]
    return min(known) / 2.5, max(known) * 2


def _layout(count: int, places: Mapping[str, int], slopes: bool) -> tuple[Figure, list[Axes]]:
    """One wide panel with its names beside it; or two or three in a row, under a legend, with room for slopes."""
    across = 1 if count == 1 else 2 if slopes or count in (2, 4) else 3
    width, down = 7.2, -(-count // across)
    top = 0.1 if count == 1 else 0.2 + 0.2 * -(-len(places) // LEGEND)
    left, beside, height = {1: (0.75, 2.1, 3.2), 2: (0.62, 0.88, 2.45), 3: (0.62, 0.1, 1.75)}[across]
    gap_below, cell = 0.62, (width - 0.08) / across
    whole = top + down * (height + gap_below)
    figure = canvas(width, whole)
    made = []
    for index in range(count):
        row, column = divmod(index, across)
        bottom = whole - top - (row + 1) * (height + gap_below) + gap_below - 0.08
        box = ((column * cell + left) / width, bottom / whole, (cell - left - beside) / width, (height - 0.1) / whole)
        axes = figure.add_axes(box)
        axes.tick_params(color=MUTED)
        made.append(axes)
    if count > 1:
        _names(figure, places)
    return figure, made


def _names(figure: Figure, places: Mapping[str, int]) -> None:
    """A legend above the panels: each line's mark and name in its own colour."""
    from matplotlib.lines import Line2D

    styles = {label: series_style(place) for label, place in places.items()}
    handles = [
        Line2D([], [], marker=MARKERS[places[label] % len(MARKERS)], markersize=5, linewidth=1.1, label=label, **look)
        for label, look in styles.items()
    ]
    legend = figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.0, 1.0), ncols=LEGEND, frameon=False, fontsize=8.5,
        columnspacing=1.4, handlelength=1.9, borderaxespad=0.2,
    )  # fmt: skip
    for text, look in zip(legend.get_texts(), styles.values(), strict=True):
        text.set_color(str(look["color"]))
