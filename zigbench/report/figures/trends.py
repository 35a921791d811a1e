"""One figure over another: points, lines over a swept setting, quality over cost, times of peers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zigbench import scan
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
from zigbench.report.figures.registry import FigureRequest, NoFigureError, figure, first_metric, request
from zigbench.report.results import SEED, Results, Run
from zigbench.report.statistics import Estimate, mean_interval, within_seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Point:
    """An arm at (x, y), y with its interval over seeds."""

    label: str
    x: float
    y: Estimate

    @property
    def drawable(self) -> bool:
        return math.isfinite(self.x) and math.isfinite(self.y.mean)


# Registered figures.


@figure("continuity")
def score_over_continuity(results: Results) -> FigureRequest:
    """Show the score against the mean continuity of the directions that the network uses."""
    metric = first_metric(results)
    scores = within_seeds(results.values(metric))
    points = []
    for arm, (run, *_) in results.by_arm.items():
        spec = run.cell.spec
        if spec.scan is None or not spec.config.sees_order():
            continue
        variants = range(min(spec.scan.schemes, scan.VARIANTS))
        grid = spec.config.scan_grid(spec.geometry)
        each = [scan.statistics(scan.make_order(spec.scan.curve, grid, v))["continuity"] for v in variants]
        points.append(Point(arm, float(np.mean(each)), scores[arm]))
    _require(points, 2, "scan orders with a score")
    caption = (
        f"Continuity: mean, over the directions used, of the share of steps that go to a neighbour. {_bars(results)}"
    )
    return request(scatter, points, "Continuity", metric, "continuity", caption=caption)


@figure("schemes")
def score_over_directions(results: Results) -> FigureRequest:
    """Show the score against the number of directions, a line per curve."""
    metric = first_metric(results)
    scores = within_seeds(results.values(metric))
    series: dict[str, list[Point]] = {}
    for arm, (run, *_) in results.by_arm.items():
        if run.cell.spec.scan is not None:
            label = " · ".join([run.cell.spec.scan.curve, *_other_labels(results, run, "scan")])
            series.setdefault(label, []).append(Point(arm, run.cell.spec.scan.schemes, scores[arm]))
    _require([p for points in series.values() for p in points], 2, "scan orders with a score")
    return request(lines, series, "Directions", metric, "schemes", caption=_bars(results))


@figure("evaluations")
def score_over_evaluations(results: Results) -> FigureRequest:
    """Show the score against the network evaluations of one sample, a line per arm and solver."""
    metric = first_metric(results)
    scores = within_seeds(results.values(metric))
    measured = results.values("network_evaluations")
    lines_of: dict[tuple[str, str], list[Point]] = {}
    for arm, (run, *_) in results.by_arm.items():
        sampler, recorded = run.cell.spec.sampler, mean_interval(measured.loc[arm])
        count = recorded.mean if recorded.n else sampler.network_evaluations
        if count is not None:
            line = " · ".join(_other_labels(results, run, "sampler.steps")), sampler.solver
            lines_of.setdefault(line, []).append(Point(arm, float(count), scores[arm]))
    _require([p for points in lines_of.values() for p in points], 2, "samplers with a known number of evaluations")
    one_solver_each = len({arm for arm, _ in lines_of}) == len(lines_of) > 1
    series = {
        arm if one_solver_each else " · ".join(filter(None, (solver, arm))): points
        for (arm, solver), points in lines_of.items()
    }
    caption = f"Network evaluations for one sample: as recorded, or as the solver's steps imply. {_bars(results)}"
    return request(lines, series, "Network evaluations", metric, "evaluations", caption=caption)


@figure("pareto")
def score_over_time(results: Results) -> FigureRequest:
    """Show the score against the training time in the runs' telemetry."""
    metric = first_metric(results)
    scores = within_seeds(results.values(metric))
    points = []
    for arm, runs in results.by_arm.items():
        seconds = [run.training_time[1][-1] for run in runs if run.status == "ok" and run.training_time[1]]
        points.append(Point(arm, mean_interval(seconds).mean, scores[arm]))
    _require(points, 2, "arms with both a score and a training time")
    return request(pareto, points, "Training time (s)", metric, results.direction(metric) is True)


def _bars(results: Results) -> str:
    """Describe the bars of intervals within seeds."""
    block = formatting.block(results.seeds)
    return f"Bars: 95 % intervals within {block}s (Cousineau–Morey), without the variation that all arms share."


def _require(points: Sequence[Point], count: int, noun: str) -> None:
    drawable = sum(point.drawable for point in points)
    if drawable < count:
        raise NoFigureError(f"this figure needs {count} {noun}; there are {drawable}")


def _other_labels(results: Results, run: Run, section: str) -> list[str]:
    """Return the labels of the axes that set nothing in ``section`` of the spec: they are constant along a line."""
    return [
        run.cell.labels[axis.name]
        for axis in results.suite.axes
        if axis.name != SEED and not any(_meet(key, section) for point in axis.points.values() for key in point)
    ]


def _meet(a: str, b: str) -> bool:
    """Return True if one dotted key is the other or lies in its section."""
    return f"{a}.".startswith(f"{b}.") or f"{b}.".startswith(f"{a}.")


# Drawings.


def _dots(axes: Axes, shown: Sequence[Point], x: str, metric: str) -> dict[str, str]:
    """Draw every point with its interval and its label beside it, and return the hover texts by gid."""
    tips = {}
    for position, point in enumerate(shown):
        colour = str(series_style(position)["color"])
        _error(axes, point, colour)
        (dot,) = axes.plot(point.x, point.y.mean, "o", color=colour, markersize=6)
        dot.set_gid(f"point-{position}")
        tips[f"point-{position}"] = _describe(point, x)
    axes.margins(0.12)
    _beside(axes, shown)
    axes.set_xlabel(x)
    axes.set_ylabel(formatting.title(metric))
    axes.grid()
    return tips


def _error(axes: Axes, point: Point, colour: str) -> None:
    if math.isfinite(point.y.half):
        axes.plot([point.x, point.x], [point.y.low, point.y.high], color=colour, linewidth=1.1, alpha=0.75)


def _describe(point: Point, x: str) -> str:
    return f"{point.label}: {x} {formatting.number(point.x)}, {formatting.plus_minus(point.y)}"


@styled
def scatter(points: Sequence[Point], x: str, metric: str, name: str, *, caption: str = "") -> Drawing:
    """Draw a labelled point per arm, with intervals."""
    shown = [p for p in points if p.drawable]
    figure, axes = _axes(6.4, 3.7)
    tips = _dots(axes, shown, x, metric)
    title = f"{formatting.title(metric)} against {x[:1].lower()}{x[1:]}"
    return Drawing(
        name, figure, title, caption, f"{title}. " + "; ".join(_describe(p, x) for p in shown) + ".", tips
    )  # fmt: skip


def _beside(axes: Axes, points: Sequence[Point]) -> None:
    """Write labels to the right of their points, moved apart where points of like x would overlap."""
    if not points:
        return
    axes.get_xlim(), axes.get_ylim()  # Applies the pending autoscale, on which the places below rest.
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
    """Draw a line per series over a setting such as the number of directions, with intervals."""
    figure, axes = _axes(6.4, 3.6, right=0.72)
    tips, ends, ticks, descriptions = {}, {}, set(), []
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
            tips[f"point-{position}-{index}"] = _describe(point, x)
            ticks.add(point.x)
        ends[label] = (shown[-1].y.mean, str(look["color"]))
        descriptions.append(
            f"{label}: " + ", ".join(f"{formatting.number(p.x)} {formatting.plus_minus(p.y)}" for p in shown)
        )
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
    return Drawing(name, figure, title, caption, f"{title}. {'; '.join(descriptions)}.", tips)


@styled
def pareto(points: Sequence[Point], cost: str, metric: str, higher_is_better: bool, name: str = "pareto") -> Drawing:
    """Draw quality over cost; the line joins the arms that no other beats in both."""
    shown = sorted((p for p in points if p.drawable), key=lambda p: p.x)
    front = frontier(shown, higher_is_better)
    figure, axes = _axes(6.4, 3.7)
    axes.plot([p.x for p in front], [p.y.mean for p in front], color=INK, linewidth=1, drawstyle="steps-post")
    tips = _dots(axes, shown, cost, metric)
    names = formatting.join([p.label for p in front])
    caption = f"The line joins the arms that no other beats in both: {names}." if front else ""
    alternative = f"{caption} " + "; ".join(_describe(p, cost) for p in shown) + "."
    return Drawing(name, figure, f"{formatting.title(metric)} against cost", caption, alternative, tips)


def frontier(points: Sequence[Point], higher_is_better: bool) -> list[Point]:
    """Return the points that no other equals or beats in both cost and quality while beating it in one, by cost."""
    sign = -1 if higher_is_better else 1
    best, front = math.inf, []
    for point in sorted(points, key=lambda p: (p.x, sign * p.y.mean)):
        if sign * point.y.mean < best:
            best = sign * point.y.mean
            front.append(point)
    return front


def _axes(width: float, height: float, right: float = 0.97) -> tuple[Figure, Axes]:
    figure = canvas(width, height)
    axes = figure.add_axes((0.12, 0.14, right - 0.12, 0.82))
    axes.tick_params(color=MUTED)
    return figure, axes


@styled
def ratios(rows: Mapping[str, Mapping[str, float]], name: str, *, caption: str = "") -> Drawing:
    """Draw peers' times over this package's, on a logarithmic axis; left of the line at 1 the peer is faster.

    Args:
        rows: by task, then by peer.
        name: stem of the files.
        caption: sentences to add to the caption.
    """
    peers = {peer: i for i, peer in enumerate(dict.fromkeys(peer for row in rows.values() for peer in row))}
    height = 1.05 + 0.27 * max(len(rows), 1)
    figure = canvas(7.2, height)
    axes = figure.add_axes((0.37, 0.5 / height, 0.6, 1 - 0.85 / height))
    axes.axvline(1, color=INK, linewidth=0.9)
    tips, descriptions = {}, []
    for place, (task, row) in enumerate(rows.items()):
        for peer, ratio in row.items():
            colour = series_style(peers[peer])["color"]
            label = None if any(peer in other for other in list(rows.values())[:place]) else peer
            (dot,) = axes.plot(
                ratio, place, MARKERS[peers[peer] % len(MARKERS)], color=colour, markersize=6, label=label
            )
            gid = f"ratio-{place}-{peers[peer]}"
            dot.set_gid(gid)
            tips[gid] = f"{task}: {peer} takes {formatting.number(ratio, 3)} times as long"
            if all(other <= ratio or other > 1.5 * ratio for other in row.values()):  # Else it would run into it.
                axes.annotate(
                    f"{formatting.number(ratio, 3)}×", (ratio, place), xytext=(6, 0), textcoords="offset points",
                    va="center", fontsize=7.5, color=MUTED,
                )  # fmt: skip
        descriptions.append(f"{task}: " + ", ".join(f"{peer} {formatting.number(r, 3)}×" for peer, r in row.items()))
    axes.set_xscale("log")
    plain_log_ticks(axes, "x")
    axes.margins(x=0.12)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, pad=8)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("Time of the peer over ours")
    legend = axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=4, frameon=False, fontsize=8.5, handletextpad=0.3
    )
    for text in legend.get_texts():
        text.set_color(str(series_style(peers[text.get_text()])["color"]))
    words = f"Right of the line the peer takes longer. {caption}".strip()
    return Drawing(name, figure, "Beside peers", words, f"Time of peers over ours. {'; '.join(descriptions)}.", tips)
