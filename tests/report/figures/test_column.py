"""A figure in one column of a paper: as wide as one, legible, and no two labels of an axis overlap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from zigbench import scan
from zigbench.report.figures import effects, lasting, orders, training, trends
from zigbench.report.figures.column import PANELS_WIDTH, SMALLEST, WIDTH, fit_column
from zigbench.report.figures.drawing import Drawing
from zigbench.report.figures.trends import Point
from zigbench.report.statistics import Effect, Estimate

ARMS = tuple(f"{curve}-{n}" for curve in ("zigzag", "hilbert", "hilbert-released") for n in (1, 2, 4, 8))


def estimate(mean: float) -> Estimate:
    return Estimate(mean, mean - 0.01, mean + 0.01, 3)


def forest() -> Drawing:
    rows = [Effect(arm, "zigzag-8", estimate(0.01 * i), 0.001, 0.002) for i, arm in enumerate(ARMS)]
    return effects.forest(rows, "held_out_loss", False, {"best linear map": 0.05})


def loss() -> Drawing:
    rows = [(arm, "0", step, 1.0 + i / 10) for i, arm in enumerate(ARMS) for step in range(0, 30_720, 60)]
    return training.loss_curves(pd.DataFrame(rows, columns=["arm", "seed_label", "step", "loss"]), ARMS)


def learning() -> Drawing:
    steps = [15 * 2**i for i in range(12)]
    curves = {
        arm: pd.DataFrame(dict.fromkeys(("mean", "min", "max"), 1 / np.arange(i + 1, i + 13)), steps)
        for i, arm in enumerate(ARMS)
    }
    return lasting.learning_curves(curves, ARMS, "held_out_loss", {"zero": 1.7, "best linear map": 0.6})


def scatter() -> Drawing:
    return trends.scatter([Point(arm, 10.0**i, estimate(i)) for i, arm in enumerate(ARMS)], "Tokens", "fid", "scatter")


def curves() -> Drawing:
    shown = ("zigzag", "hilbert", "raster", "random", "hilbert-released")
    return orders.scan_orders({name: (scan.make_order(name, (8, 8)), ["continuity 1.000"]) for name in shown})


@pytest.mark.parametrize(("draw", "width"), [
    (forest, WIDTH), (loss, WIDTH), (learning, WIDTH), (scatter, WIDTH), (curves, PANELS_WIDTH),
], ids=lambda value: getattr(value, "__name__", ""))  # fmt: skip
def test_a_figure_fits_its_column(draw, width):
    figure = draw().figure
    fit_column(figure)
    box = figure.get_tightbbox()
    assert box.width <= 1.04 * width
    assert box.width >= 0.7 * width
    for axes in figure.axes:
        assert axes.get_position().width * figure.get_figwidth() >= 0.3 * width / len(figure.axes)
        labels = [label for label in axes.get_xticklabels() if label.get_text()]
        low, high = sorted(axes.get_xlim())
        boxes = [x.get_window_extent() for x in labels if low <= x.get_position()[0] <= high]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert texts
    assert min(text.get_fontsize() for text in texts) >= SMALLEST
