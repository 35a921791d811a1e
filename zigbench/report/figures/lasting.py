"""Effects against a setting that grows, and held-out loss along the trainings, with the reference predictors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from zigbench.report import formatting
from zigbench.report.figures.drawing import (
    INK,
    MARKERS,
    MUTED,
    PAPER,
    RULE,
    Drawing,
    canvas,
    end_labels,
    plain_log_ticks,
    series_style,
    styled,
)
from zigbench.report.figures.registry import FigureRequest, NoFigureError, Requests, figure, first_metric, request
from zigbench.report.lasting import FIGURE, EffectSeries, SweptAxis, effect_series, level, means_by_step, swept_axis
from zigbench.report.results import PREDICTORS, Results


@figure(FIGURE)
def effects_along_axis(results: Results) -> FigureRequest:
    """Show effects against a growing setting, such as the length of the training."""
    metric, axis = first_metric(results), swept_axis(results)
    if axis is None:
        raise NoFigureError("no further axis of the suite sets one number at each point")
    series = effect_series(results, axis)
    if not series:
        raise NoFigureError("no difference was measured at two points")
    return request(effects_over, series, axis, metric, results.direction(metric))


@styled
def effects_over(
    series: Sequence[EffectSeries], axis: SweptAxis, metric: str, higher_is_better: bool | None, name: str = FIGURE
) -> Drawing:
    """Draw a line for each difference of two arms over the setting, with 95 % intervals, filled where separated."""
    figure = canvas(7.2, 3.8)
    axes = figure.add_axes((0.11, 0.13, 0.6, 0.82))
    margins = {of.margin for of in series if of.margin is not None}
    if len(margins) == 1:
        (margin,) = margins
        axes.axhspan(-margin, margin, color=RULE, alpha=0.5, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.9)
    tips, ends, words = {}, {}, []
    for position, of in enumerate(series):
        look, marker = series_style(position), MARKERS[position % len(MARKERS)]
        points = [(axis.numbers[label], e) for label, e in of.effects.items() if e.estimate.n]
        axes.plot([x for x, _ in points], [e.estimate.mean for _, e in points], **look)
        for index, (x, effect) in enumerate(points):
            estimate = effect.estimate
            # Moved apart a little, or the intervals of several differences at one point would cover each other.
            place = x * 2 ** (0.05 * (position - (len(series) - 1) / 2))
            if math.isfinite(estimate.half):
                axes.plot([place, place], [estimate.low, estimate.high], color=look["color"], linewidth=1.1)
            face = look["color"] if effect.separated else PAPER
            (dot,) = axes.plot(place, estimate.mean, marker, color=look["color"], markersize=6, markerfacecolor=face)
            gid = f"point-{position}-{index}"
            dot.set_gid(gid)
            verdict = formatting.verdict(effect, higher_is_better)
            tips[gid] = f"{of.name} at {formatting.number(x)}: {formatting.plus_minus(estimate)}, {verdict}"
        ends[of.name] = (points[-1][1].estimate.mean, str(look["color"]))
        shown = ", ".join(f"{formatting.number(x)}: {formatting.plus_minus(e.estimate)}" for x, e in points)
        words.append(f"{of.name}: {shown}")
    numbers = list(axis.numbers.values())
    if min(numbers) > 0:
        axes.set_xscale("log", base=2)
        axes.minorticks_off()
    axes.set_xticks(numbers, [formatting.number(number) for number in numbers])
    label = "Steps of training" if axis.name == "steps" else formatting.capitalized(axis.name)
    axes.set_xlabel(label)
    axes.set_ylabel(f"Difference in {formatting.noun(metric)}")
    axes.grid(axis="y")
    axes.margins(x=0.08)
    end_labels(axes, ends)
    title = f"Effects against {label[:1].lower()}{label[1:]}"
    caption = (
        "Mean paired difference with its 95 % t-interval over seeds, at equal points. Filled: separated after the "
        "correction of the campaign's tests; hollow: not separated."
    )
    if len(margins) == 1:
        caption += f" Band: the margin of equality, ±{margin:g}."
    return Drawing(name, figure, title, caption, f"{title}. {'; '.join(words)}.", tips)


@figure("learning", standard=True)
def loss_along_trainings(results: Results) -> Requests:
    """Show held-out loss along the trainings, where it was measured on the way, with the reference predictors."""
    if not results.metrics:
        return {}
    metric = results.metrics[0]
    curves = means_by_step(results, metric)
    if not curves:
        return {}
    levels = {PREDICTORS[name]: value for name in PREDICTORS if math.isfinite(value := level(results, metric, name))}
    return {"learning": request(learning_curves, curves, results.arms, metric, levels)}


@styled
def learning_curves(
    curves: Mapping[str, pd.DataFrame],
    arms: Sequence[str],
    metric: str,
    levels: Mapping[str, float],
    name: str = "learning",
) -> Drawing:
    """Draw the mean over seeds, a band from the lowest to the highest, and a line for each reference predictor.

    Args:
        curves: by arm, indexed by step, with the columns mean, min and max.
        arms: the arms in their order, which fixes their colours.
        metric: what was measured.
        levels: reference predictors by title.
        name: stem of the files.
    """
    figure = canvas(7.2, 4.2)
    axes = figure.add_axes((0.09, 0.12, 0.69, 0.84))
    ends, tips, words = {}, {}, []
    for position, arm in enumerate(arms):
        if arm not in curves:
            continue
        look, of = series_style(position), curves[arm]
        axes.fill_between(of.index, of["min"], of["max"], color=look["color"], alpha=0.14, linewidth=0)
        (line,) = axes.plot(of.index, of["mean"], **look)
        line.set_gid(f"line-{position}")
        end, step = float(of["mean"].iloc[-1]), float(of.index[-1])
        tips[f"line-{position}"] = f"{arm}: {formatting.number(end)} at step {step:.0f}"
        ends[arm] = (end, str(look["color"]))
        words.append(f"{arm} {formatting.number(end)} at step {formatting.number(step)}")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    steps = sorted({float(step) for of in curves.values() for step in of.index})
    every = -(-len(steps) // 12)
    axes.set_xticks(steps[::every], [formatting.number(step) for step in steps[::every]])
    axes.minorticks_off()
    axes.margins(x=0)
    plain_log_ticks(axes)
    for title, value in levels.items():
        axes.axhline(value, color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
        axes.annotate(
            title, (1, value), xycoords=("axes fraction", "data"), xytext=(-3, 2), textcoords="offset points",
            fontsize=7.5, color=MUTED, va="bottom", ha="right",
        )  # fmt: skip
    axes.set_xlabel("Steps of training")
    axes.set_ylabel(formatting.title(metric))
    axes.grid(axis="y")
    end_labels(axes, ends)
    caption = (
        f"{formatting.title(metric)} of the averaged weights along each training; line: mean of the seeds, band: "
        "lowest to highest. Dashed: reference predictors. Points on the way are "
        "diagnostics: the learning rate still falls."
    )
    title = f"{formatting.title(metric)} along the trainings"
    return Drawing(name, figure, title, caption, f"{title}. {'; '.join(words)}.", tips)
