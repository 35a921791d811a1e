"""Two dials at once: a grid of means, such as position embedding × scan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from zigbench.report import formatting
from zigbench.report.figures.drawing import Drawing, canvas, styled
from zigbench.report.statistics import Estimate

SHADES = ("#e9f1f8", "#1f5f9e")


@styled
def heatmap(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Mapping[tuple[str, str], Estimate],
    metric: str,
    higher_is_better: bool | None,
    axes_names: tuple[str, str],
    name: str = "grid",
) -> Drawing:
    """Cells shaded by their mean, darker is better, with mean and interval written in; empty where there is none."""
    from matplotlib.colors import LinearSegmentedColormap

    means = np.array([[_mean(values, row, column) for column in columns] for row in rows], dtype=float)
    figure = canvas(1.7 + 1.15 * len(columns), 0.75 + 0.48 * len(rows))
    width, height = figure.get_size_inches()
    axes = figure.add_axes((1.5 / width, 0.55 / height, 1 - 1.6 / width, 1 - 0.6 / height))
    shade = means if higher_is_better else -means
    finite = shade[np.isfinite(shade)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    level = (shade - low) / (high - low or 1.0)
    axes.imshow(level, cmap=LinearSegmentedColormap.from_list("shades", SHADES), vmin=0, vmax=1, aspect="auto")
    said = []
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            estimate = values.get((row, column))
            has = math.isfinite(means[y, x])
            text = formatting.plus_minus(estimate) if has and estimate is not None else "no result"
            # Fixed inks, unlike elsewhere: they lie on the cell's own shade, not on the page.
            colour = "#777b82" if not has else "#ffffff" if level[y, x] > 0.55 else "#14161a"
            axes.text(x, y, text, ha="center", va="center", fontsize=8, color=colour)
            said.append(f"{row}, {column}: {text}")
    axes.set_xticks(range(len(columns)), list(columns))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_xlabel(axes_names[1])
    axes.set_ylabel(axes_names[0])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    caption = f"{formatting.title(metric)}: mean ± half of the 95 % interval over seeds; darker is better."
    title = f"{formatting.title(metric)} by {axes_names[0]} and {axes_names[1]}"
    return Drawing(name, figure, title, caption, f"{title}. {'; '.join(said)}.")


def _mean(values: Mapping[tuple[str, str], Estimate], row: str, column: str) -> float:
    estimate = values.get((row, column))
    return estimate.mean if estimate is not None else math.nan
