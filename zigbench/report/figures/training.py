"""Training loss over the steps, a line an arm, with the spread over seeds as a band."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from zigbench.report import formatting
from zigbench.report.figures.drawing import Drawing, canvas, end_labels, plain_log_ticks, series_style, styled
from zigbench.report.figures.registry import FigureRequest, NoFigureError, figure, request
from zigbench.report.results import Results, logs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 160


@figure("loss", standard=True)
def training_loss(results: Results) -> FigureRequest:
    """Show the training loss over the steps, with bands over seeds."""
    frame = logs(results)
    if frame.empty:
        raise NoFigureError("no run has a training log")
    return request(loss_curves, frame, results.arms)


@styled
def loss_curves(frame: pd.DataFrame, arms: tuple[str, ...], name: str = "loss") -> Drawing:
    """Draw the mean over seeds and the band from the lowest to the highest seed.

    Args:
        frame: long, with the columns arm, seed_label, step, loss.
        arms: the arms in their order, which fixes their colours; arms without a log are left out.
        name: stem of the files.
    """
    figure = canvas(7.2, 3.7)
    axes = figure.add_axes((0.085, 0.13, 0.69, 0.83))
    ends: dict[str, tuple[float, str]] = {}
    tips, ends_of_arms = {}, []
    frame = frame[np.isfinite(frame["loss"]) & (frame["loss"] > 0)]
    last = float(frame["step"].max()) if len(frame) else 1.0
    for position, arm in enumerate(arms):
        curves = binned(frame[frame["arm"] == arm], last)
        if curves.empty:
            continue
        look = series_style(position)
        middle = curves.mean(axis="columns")
        if curves.shape[1] > 1:
            low, high = curves.min(axis="columns"), curves.max(axis="columns")
            axes.fill_between(curves.index, low, high, color=look["color"], alpha=0.14, linewidth=0)
        (line,) = axes.plot(middle.index, middle, **look)
        line.set_gid(f"line-{position}")
        end = float(middle.iloc[-1])
        tips[f"line-{position}"] = f"{arm}: {formatting.number(end)} at step {middle.index[-1]:.0f}"
        ends[arm] = (end, str(look["color"]))
        ends_of_arms.append(f"{arm} {formatting.number(end)}")
    if len(frame):
        if frame["loss"].max() > 20 * frame["loss"].min():
            axes.set_yscale("log")
            plain_log_ticks(axes)
        axes.set_xlim(0, last)
        _zoom(axes, frame, last)
    axes.set_xlabel("Optimizer step")
    axes.set_ylabel("Training loss")
    axes.grid(axis="y")
    end_labels(axes, ends)
    caption = (
        f"Training loss, averaged within {POINTS} equal spans of the steps (fewer where fewer steps were logged); "
        "line: mean of the runs; band: lowest to highest. The axis is cut above where every arm has passed the first "
        "twentieth of its steps."
    )
    alternative = f"Training loss at the last step: {'; '.join(ends_of_arms) or 'no run has logged any'}."
    return Drawing(name, figure, "Training loss", caption, alternative, tips)


def binned(frame: pd.DataFrame, last: float) -> pd.DataFrame:
    """Average the loss over spans of steps: rows are spans (their mean step), columns seeds; complete rows alone."""
    if frame.empty:
        return pd.DataFrame()
    span = max(1.0, last / POINTS)
    spans = (frame["step"] // span).astype(int)
    table = frame.assign(span=spans).groupby(["span", "seed_label"], sort=True)["loss"].mean().unstack("seed_label")
    steps = frame.assign(span=spans).groupby("span")["step"].mean()
    return table.set_index(steps.reindex(table.index)).dropna()


def _zoom(axes: Axes, frame: pd.DataFrame, last: float) -> None:
    """Cut off the first steps, in which every loss falls from its initial height and hides the rest."""
    late = frame[frame["step"] >= 0.05 * last]["loss"]
    if len(late) > 10:
        low, high = np.quantile(late, [0.0, 0.995])
        margin = 0.06 * (high - low or high)
        axes.set_ylim(max(low - margin, 0.5 * low), high + margin)
