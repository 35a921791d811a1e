"""Effects with their intervals, and mean ranks with their critical difference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zigbench.report import formatting, protocols
from zigbench.report.figures.drawing import BETTER, INK, MUTED, PAPER, RULE, WORSE, Drawing, canvas, styled
from zigbench.report.figures.registry import FigureRequest, NoFigureError, figure, first_metric, request
from zigbench.report.predictors import levels_against
from zigbench.report.ranks import Ranking, friedman
from zigbench.report.results import Results
from zigbench.report.statistics import Effect

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@figure("effects", standard=True)
def effects_of_arms(results: Results) -> FigureRequest:
    """Show the effects of the arms against the baseline in the first metric."""
    pairs = results.against_baseline()
    if not pairs or not results.metrics:
        raise NoFigureError("there is no arm beside the baseline, or nothing measured")
    metric = results.metrics[0]
    of_pairs = protocols.effects_alike(results, metric, pairs)
    unlike = [arm for arm, baseline in pairs if not protocols.measured_alike(results, metric, arm, baseline)]
    if unlike and not any(effect.estimate.n for effect in of_pairs):
        raise NoFigureError(f"{formatting.join_some(unlike)} and the baseline were measured under different protocols")
    if not any(effect.estimate.n for effect in of_pairs):
        raise NoFigureError(f"no arm shares a finished seed with the baseline {results.baseline}")
    baselines = {baseline for _, baseline in pairs}
    levels = levels_against(results, metric, baselines.pop()) if len(baselines) == 1 else {}
    return request(forest, of_pairs, metric, results.direction(metric), levels)


@styled
def forest(
    effects: Sequence[Effect],
    metric: str,
    higher_is_better: bool | None,
    levels: Mapping[str, float] | None = None,
    name: str = "effects",
) -> Drawing:
    """Draw a row per effect, sorted by size: point, 95 % interval, filled where separated, figures beside it.

    Args:
        effects: the effects.
        metric: what they are differences of.
        higher_is_better: the direction that is better.
        levels: lines across all rows by their titles, as differences from the same baseline.
        name: stem of the files.
    """
    shown = sorted((e for e in effects if e.estimate.n), key=lambda e: e.estimate.mean)
    figure = canvas(7.2, 1.05 + 0.265 * max(len(shown), 1))
    axes = figure.add_axes((0.24, 0.5 / figure.get_figheight(), 0.52, 1 - 0.75 / figure.get_figheight()))
    axes.axvline(0, color=INK, linewidth=0.9)
    tips = {}
    places = _places(shown)
    for row, effect in enumerate(shown):
        estimate, verdict = effect.estimate, formatting.verdict(effect, higher_is_better)
        colour = {"better": BETTER, "worse": WORSE, "higher": INK, "lower": INK}.get(verdict, MUTED)
        gid = f"effect-{row}"
        if math.isfinite(estimate.half):
            axes.plot([estimate.low, estimate.high], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
        face = colour if effect.separated else PAPER
        (dot,) = axes.plot(estimate.mean, row, "o", markersize=6.5, color=colour, markerfacecolor=face)
        dot.set_gid(gid)
        tips[gid] = (
            f"{effect.a} − {effect.b}: {_figures(effect, places)}, {verdict}, "
            f"p (Holm) {formatting.p_value(effect.p_holm)}"
        )
        axes.text(
            1.04, row, _figures(effect, places), transform=axes.get_yaxis_transform(), va="center", color=colour,
            fontsize=8.5, fontweight="bold" if effect.separated else "normal",
        )  # fmt: skip
    one = len({effect.b for effect in shown}) == 1
    axes.set_yticks(range(len(shown)), [e.a if one else f"{e.a}  −  {e.b}" for e in shown])
    axes.tick_params(axis="y", length=0, pad=8)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=6)
    against = f"minus that of {shown[0].b}" if one and shown else "minus the baseline's"
    axes.set_xlabel(f"{formatting.title(metric)} {against}")
    reference_words = _reference_lines(axes, levels or {})
    left, right = {True: ("worse", "better"), False: ("better", "worse"), None: ("lower", "higher")}[higher_is_better]
    axes.text(0, 1.01, f"← {left}", transform=axes.transAxes, fontsize=8, color=MUTED, va="bottom")
    axes.text(1, 1.01, f"{right} →", transform=axes.transAxes, fontsize=8, color=MUTED, va="bottom", ha="right")
    caption = (
        "Mean paired difference with its 95 % t-interval. "
        "Filled and bold: separated after Holm's correction at 5 %. Hollow: not separated."
    )
    caption += reference_words
    alternative = f"Forest plot of {formatting.noun(metric)}. " + (
        "; ".join(
            f"{e.a} against {e.b}: {_figures(e, places)}, {formatting.verdict(e, higher_is_better)}" for e in shown
        )
        or "No effect could be computed."
    )
    return Drawing(name, figure, f"Effect on {formatting.noun(metric)}", caption, alternative, tips)


def _reference_lines(axes: Axes, levels: Mapping[str, float]) -> str:
    """Draw a line for each level near the rows, and return the words of the caption about them and the others.

    A level further from the rows than they spread would squeeze them together: words alone have it.
    """
    if not levels:
        return ""
    low, high = axes.get_xlim()
    drawn = {title: level for title, level in levels.items() if low - (high - low) < level < high + (high - low)}
    for title, level in drawn.items():
        axes.axvline(level, color=MUTED, linewidth=1.1, linestyle=(0, (4, 2)))
        axes.annotate(
            title, (level, 0.02), xycoords=("data", "axes fraction"), xytext=(2, 0), textcoords="offset points",
            rotation=90, fontsize=7.5, color=MUTED, va="bottom",
        )  # fmt: skip
    if drawn:
        margin = 0.03 * (high - low)
        axes.set_xlim(min(low, *drawn.values()) - margin, max(high, *drawn.values()) + 3 * margin)
    words = " Dashed: reference predictors, closed forms on the same triples." if drawn else ""
    if outside := [f"{title} {formatting.signed(v, 2)}" for title, v in levels.items() if title not in drawn]:
        words += f" Outside the figure: {formatting.join(outside)}."
    return words


def _places(shown: Sequence[Effect]) -> int:
    """Return the decimals of all rows: those of the narrowest interval, else three digits of the largest effect."""
    halves = [e.estimate.half for e in shown if e.estimate.half > 0]
    largest = max((abs(e.estimate.mean) for e in shown), default=1.0)
    return min(4, max(map(formatting.decimals, halves))) if halves else formatting.decimals(largest / 10)


def _figures(effect: Effect, places: int) -> str:
    half = effect.estimate.half
    text = formatting.signed(effect.estimate.mean, places)
    return text + (f" ± {half:.{places}f}" if math.isfinite(half) else "")


@figure("critical_difference")
def ranks_of_arms(results: Results) -> FigureRequest:
    """Show the mean ranks of the arms with Nemenyi's critical difference."""
    metric = first_metric(results)
    if not protocols.rankable(results, metric):
        raise NoFigureError("the arms were measured under different protocols")
    try:
        ranking = friedman(results.values(metric).dropna(how="all"), results.direction(metric) is True)
    except ValueError as error:
        raise NoFigureError(str(error)) from None
    return request(critical_difference, ranking, metric)


@styled
def critical_difference(ranking: Ranking, metric: str, name: str = "critical-difference") -> Drawing:
    """Draw a row per mean rank; the band from the best is as wide as one critical difference."""
    ranks = dict(sorted(ranking.mean_ranks.items(), key=lambda item: item[1]))
    figure = canvas(6.4, 0.95 + 0.28 * len(ranks))
    axes = figure.add_axes((0.27, 0.5 / figure.get_figheight(), 0.62, 1 - 0.62 / figure.get_figheight()))
    best = min(ranks.values())
    axes.axvspan(best, best + ranking.critical_difference, color=RULE, alpha=0.55, linewidth=0)
    for row, rank in enumerate(ranks.values()):
        far = rank - best > ranking.critical_difference
        axes.plot([1, rank], [row, row], color=RULE, linewidth=1)
        axes.plot(rank, row, "o", markersize=6.5, color=WORSE if far else BETTER)
        axes.text(rank + 0.12, row, f"{rank:.2f}", va="center", fontsize=8.5)
    axes.set_yticks(range(len(ranks)), list(ranks))
    axes.tick_params(axis="y", length=0, pad=8)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(ranks) - 0.4, -0.6)
    axes.set_xlim(0.8, len(ranks) + 0.5)
    axes.set_xlabel(f"Mean rank by {formatting.noun(metric)} (1 is best)")
    caption = (
        f"Arms outside the band differ from the best at 5 % over all pairs (Nemenyi, critical difference "
        f"{ranking.critical_difference:.2f}, {formatting.seeds(ranking.columns)})."
    )
    alternative = "Mean ranks: " + ", ".join(f"{arm} {rank:.2f}" for arm, rank in ranks.items())
    return Drawing(name, figure, "Mean ranks", caption, f"{alternative}. {caption}")
