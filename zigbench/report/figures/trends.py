"""One figure against another: scatter, lines over a dial, cost against quality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zigbench.report import formatting
from zigbench.report.figures.drawing import (
    INK,
    MARKERS,
    MUTED,
    Drawing,
    canvas,
    end_labels,
    plain_log_ticks,
    series_style,
    spread,
    styled,
)
from zigbench.report.statistics import Estimate, PowerLaw, power_law

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Point:
    """One thing at (x, y): y with its interval over seeds."""

    label: str
    x: float
    y: Estimate

    @property
    def drawable(self) -> bool:
        return math.isfinite(self.x) and math.isfinite(self.y.mean)


def _dots(axes: Axes, shown: Sequence[Point], x: str, metric: str) -> dict[str, str]:
    """Draw every point with its interval and its label beside it; the hover texts by gid."""
    tips = {}
    for position, point in enumerate(shown):
        colour = str(series_style(position)["color"])
        _error(axes, point, colour)
        (dot,) = axes.plot(point.x, point.y.mean, "o", color=colour, markersize=6)
        dot.set_gid(f"point-{position}")
        tips[f"point-{position}"] = _says(point, x)
    axes.margins(0.12)
    _beside(axes, shown)
    axes.set_xlabel(x)
    axes.set_ylabel(formatting.title(metric))
    axes.grid()
    return tips


def _error(axes: Axes, point: Point, colour: str) -> None:
    if math.isfinite(point.y.half):
        axes.plot([point.x, point.x], [point.y.low, point.y.high], color=colour, linewidth=1.1, alpha=0.75)


def _says(point: Point, x: str) -> str:
    return f"{point.label}: {x} {formatting.number(point.x)}, {formatting.plus_minus(point.y)}"


@styled
def scatter(points: Sequence[Point], x: str, metric: str, name: str, *, caption: str = "") -> Drawing:
    """A labelled point each, with intervals."""
    shown = [p for p in points if p.drawable]
    figure, axes = _axes(6.4, 3.7)
    tips = _dots(axes, shown, x, metric)
    title = f"{formatting.title(metric)} against {x[:1].lower()}{x[1:]}"
    return Drawing(
        name, figure, title, caption, f"{title}. " + "; ".join(_says(p, x) for p in shown) + ".", tips
    )  # fmt: skip


def _beside(axes: Axes, points: Sequence[Point]) -> None:
    """Labels to the right of their points, moved apart where points of like x would write over each other."""
    if not points:
        return
    axes.get_xlim(), axes.get_ylim()  # Settles the pending autoscale, on which the places below rest.
    places = [tuple(axes.transAxes.inverted().transform(axes.transData.transform((p.x, p.y.mean)))) for p in points]
    inches = axes.get_window_extent().height / axes.figure.dpi
    columns: dict[int, list[int]] = {}
    for index, (across, _) in enumerate(places):
        columns.setdefault(round(across * 6), []).append(index)
    for members in columns.values():
        moved = spread([places[i][1] for i in members], 11.5 / 72 / inches)
        for index, y in zip(members, moved, strict=True):
            across = places[index][0]
            left = across > 0.8
            axes.text(
                across + (-0.015 if left else 0.015), y, points[index].label, transform=axes.transAxes,
                ha="right" if left else "left", va="center", fontsize=8.5, color=str(series_style(index)["color"]),
            )  # fmt: skip


@styled
def lines(
    series: Mapping[str, Sequence[Point]],
    x: str,
    metric: str,
    name: str,
    *,
    logarithmic: bool = True,
    caption: str = "",
) -> Drawing:
    """A line per series over a dial such as the scheme count or the network evaluations, with intervals."""
    figure, axes = _axes(6.4, 3.6, right=0.72)
    tips, ends, ticks, said = {}, {}, set(), []
    for position, (label, points) in enumerate(series.items()):
        shown = sorted((p for p in points if p.drawable), key=lambda p: p.x)
        if not shown:
            continue
        look = series_style(position)
        marker = MARKERS[position % len(MARKERS)]
        axes.plot([p.x for p in shown], [p.y.mean for p in shown], marker=marker, markersize=5, **look)
        for index, point in enumerate(shown):
            _error(axes, point, str(look["color"]))
            (dot,) = axes.plot(point.x, point.y.mean, marker, color=look["color"], markersize=5)
            dot.set_gid(f"point-{position}-{index}")
            tips[f"point-{position}-{index}"] = _says(point, x)
            ticks.add(point.x)
        ends[label] = (shown[-1].y.mean, str(look["color"]))
        said.append(f"{label}: " + ", ".join(f"{formatting.number(p.x)} {formatting.plus_minus(p.y)}" for p in shown))
    if logarithmic and ticks and min(ticks) > 0:
        axes.set_xscale("log", base=2)
        axes.minorticks_off()
    axes.set_xticks(sorted(ticks), [formatting.number(t) for t in sorted(ticks)])
    axes.set_xlabel(x)
    axes.set_ylabel(formatting.title(metric))
    axes.grid(axis="y")
    axes.margins(x=0.03)
    end_labels(axes, ends)
    title = f"{formatting.title(metric)} against {x[:1].lower()}{x[1:]}"
    return Drawing(name, figure, title, caption, f"{title}. {'; '.join(said)}.", tips)


@styled
def pareto(points: Sequence[Point], cost: str, metric: str, higher_is_better: bool, name: str = "pareto") -> Drawing:
    """Quality over cost; the line joins what nothing else beats in both."""
    shown = sorted((p for p in points if p.drawable), key=lambda p: p.x)
    front = frontier(shown, higher_is_better)
    figure, axes = _axes(6.4, 3.7)
    axes.plot([p.x for p in front], [p.y.mean for p in front], color=INK, linewidth=1, drawstyle="steps-post")
    tips = _dots(axes, shown, cost, metric)
    names = formatting.listed([p.label for p in front])
    caption = f"The line joins the arms that no other beats in both: {names}." if front else ""
    alternative = f"{caption} " + "; ".join(_says(p, cost) for p in shown) + "."
    return Drawing(name, figure, f"{formatting.title(metric)} against cost", caption, alternative, tips)


def frontier(points: Sequence[Point], higher_is_better: bool) -> list[Point]:
    """Points that no other point equals or beats in both cost and quality while beating it in one, by cost."""
    sign = -1 if higher_is_better else 1
    best, front = math.inf, []
    for point in sorted(points, key=lambda p: (p.x, sign * p.y.mean)):
        if sign * point.y.mean < best:
            best = sign * point.y.mean
            front.append(point)
    return front


@styled
def scaling(series: Mapping[str, Sequence[Point]], x: str, metric: str, name: str, unit: str = "") -> Drawing:
    """Logarithmic in both, a fitted power law per series with its exponent and 95 % interval."""
    figure, axes = _axes(6.4, 3.7, right=0.7)
    tips, ends, said, ticks = {}, {}, [], set()
    for position, (label, points) in enumerate(series.items()):
        shown = sorted((p for p in points if p.drawable and p.x > 0 and p.y.mean > 0), key=lambda p: p.x)
        if not shown:
            continue
        look = series_style(position)
        ticks |= {p.x for p in shown}
        law: PowerLaw | None = None
        if len({p.x for p in shown}) > 1:
            law = power_law([p.x for p in shown], [p.y.mean for p in shown])
            sides = [shown[0].x, shown[-1].x]
            axes.plot(sides, [law.scale * s**law.exponent for s in sides], alpha=0.6, linewidth=1.1, **look)
        for index, point in enumerate(shown):
            _error(axes, point, str(look["color"]))
            (dot,) = axes.plot(
                point.x, point.y.mean, MARKERS[position % len(MARKERS)], color=look["color"], markersize=5
            )
            dot.set_gid(f"point-{position}-{index}")
            tips[f"point-{position}-{index}"] = _says(point, x)
        slope = "" if law is None else f", slope {formatting.signed(round(law.exponent, 2), 2)}"
        if law is not None and math.isfinite(law.low):
            tips[f"point-{position}-0"] += f"{slope} ({law.low:+.2f} to {law.high:+.2f})"
        ends[f"{label}{slope}"] = (shown[-1].y.mean, str(look["color"]))
        said.append(f"{label}{slope}: " + ", ".join(f"{p.x:g} {formatting.number(p.y.mean)}" for p in shown))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sorted(ticks), [formatting.number(t) for t in sorted(ticks)])
    axes.minorticks_off()
    plain_log_ticks(axes)
    axes.set_xlabel(x)
    axes.set_ylabel(formatting.title(metric) + (f" ({unit})" if unit else ""))
    axes.grid()
    end_labels(axes, ends)
    caption = "Both axes logarithmic; the slope is the exponent of the fitted power law."
    title = f"{formatting.title(metric)} against {x[:1].lower()}{x[1:]}"
    return Drawing(name, figure, title, caption, f"{title}, {caption} {'; '.join(said)}.", tips)


def _axes(width: float, height: float, right: float = 0.97) -> tuple[Figure, Axes]:
    figure = canvas(width, height)
    axes = figure.add_axes((0.12, 0.14, right - 0.12, 0.82))
    axes.tick_params(color=MUTED)
    return figure, axes
