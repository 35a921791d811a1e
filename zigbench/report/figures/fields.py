"""Fields over a grid: receptive fields and reach from inspections or orders, and a grid of scores over two axes."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zigbench import scan
from zigbench.report import formatting
from zigbench.report.figures.drawing import INK, MARKERS, MUTED, Drawing, canvas, end_labels, series_style, styled
from zigbench.report.figures.registry import FigureRequest, NoFigureError, figure, first_metric, request
from zigbench.report.results import SEED, Results, Run
from zigbench.report.statistics import Estimate, mean_interval

FILE = "receptive_field.npz"
"""The file that ``zigbench inspect`` writes into a run's folder."""

MIN_GRADIENT = 1e-4
"""Share of the largest gradient below which all is drawn alike."""

HATCH = "#9aa0ab"
"""A grey that shows on light and dark: a pattern can't take a page's variable."""

SHADES = ("#e9f1f8", "#9dc3e3", "#1f5f9e", "#0b2a4a")


# Receptive fields and reach.


@dataclass(frozen=True)
class Field:
    """The effective receptive field of one token.

    Args:
        strength: (rows, columns), the mean absolute gradient.
        visible: bool, of the same shape: False where the output can't depend on the patch whatever the weights.
        weights: the origin of the network's weights, in words.
    """

    strength: np.ndarray
    visible: np.ndarray
    weights: str


@figure("receptive_fields")
def fields_of_arms(results: Results) -> FigureRequest:
    """Show the effective receptive field of each arm's first inspected run; of clips, that in the middle frame."""
    fields = {arm: field for arm, runs in results.by_arm.items() if (field := _first_field(runs)) is not None}
    if not fields:
        raise NoFigureError("no run has been inspected; `zigbench inspect` does that with recorded runs")
    if len({field.strength.shape for field in fields.values()}) > 1:
        raise NoFigureError("the arms have grids of different shapes")
    return request(receptive_fields, fields)


@figure("reach")
def reach_of_arms(results: Results) -> FigureRequest:
    """Show the reach by layer of every arm that was inspected, scans once per block, or attends to all patches."""
    shares = {arm: share for arm, runs in results.by_arm.items() if (share := _reached(runs)) is not None}
    if not shares:
        raise NoFigureError("no arm's reach follows from its orders; `zigbench inspect` computes it from the networks")
    return request(reach, shares)


def _first_field(runs: Sequence[Run]) -> Field | None:
    for run in runs:
        arrays = _read_inspection(run)
        if arrays is None:
            continue
        strength, visible = arrays["field"], arrays["seen"][-1]
        if strength.ndim == 3:
            strength, visible = strength[len(strength) // 2], visible[len(visible) // 2]
        weights = str(json.loads(str(arrays["about"]))["weights"])
        fresh = "of the network as initialised, its gates open"
        return Field(strength, visible, fresh if weights == "fresh" else weights)
    return None


def _reached(runs: Sequence[Run]) -> tuple[float, ...] | None:
    """Return the reach by layer from an inspection, else from the orders; None where neither determines it."""
    for run in runs:
        arrays = _read_inspection(run)
        if arrays is not None:
            return tuple(float(share) for share in arrays["reached"])
    spec = runs[0].cell.spec
    config, tokens = spec.config, spec.geometry.tokens
    depth = getattr(config, "depth", None)
    if depth is None or spec.geometry.frames is not None:
        return None
    if spec.scan is None:
        return (1 / tokens, *[1.0] * depth)
    if not hasattr(config, "directions") or not hasattr(config, "ordered_blocks") or config.directions(spec.scan) != 1:
        return None
    seed = getattr(config, "order_seed", 0)
    # From the first block that sees no order on, every token has reached every other.
    along = next((i for i, ordered in enumerate(config.ordered_blocks()[:depth]) if not ordered), depth)
    cycle = scan.layer_orders(spec.scan.curve, spec.scan.schemes, spec.scan.schemes, spec.geometry.grid, seed=seed)
    share = scan.reach(cycle).share[:along]
    rest = [share[-1] if share else 1 / tokens] * (along - len(share))
    return (1 / tokens, *share, *rest, *[1.0] * (depth - along))


def _read_inspection(run: Run) -> Mapping[str, np.ndarray] | None:
    """Return the arrays of an inspection; None where there is none that can be read."""
    try:
        with np.load(io.BytesIO(run.files.read(FILE) or b""), allow_pickle=False) as stored:
            arrays = dict(stored)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    return arrays if arrays.keys() >= {"field", "seen", "reached", "about"} else None


@styled
def receptive_fields(fields: Mapping[str, Field], name: str = "receptive_fields") -> Drawing:
    """Draw a panel per arm: the gradient relative to its largest, on one logarithmic scale; hatched where invisible."""
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    across = min(max(len(fields), 1), 4)
    down = -(-max(len(fields), 1) // across)
    rows, columns = next(iter(fields.values())).strength.shape
    side = 7.2 / across - 0.25
    tall = side * rows / columns
    whole = down * (tall + 0.62) + 0.62
    figure = canvas(7.2, whole)
    norm = LogNorm(MIN_GRADIENT, 1.0)
    shades = LinearSegmentedColormap.from_list("field", SHADES)
    descriptions, shown = [], None
    for index, (label, field) in enumerate(fields.items()):
        row, column = divmod(index, across)
        bottom = whole - (row + 1) * (tall + 0.62) + 0.22
        axes = figure.add_axes((column / across + 0.012, bottom / whole, side / 7.2, tall / whole))
        relative = np.clip(field.strength / (field.strength.max() or 1.0), MIN_GRADIENT, None)
        shown = axes.imshow(np.where(field.visible, relative, np.nan), norm=norm, cmap=shades, interpolation="nearest")
        if not field.visible.all():
            axes.patch.set(hatch="////", facecolor="none", edgecolor=HATCH, linewidth=0)
        axes.plot(columns // 2, rows // 2, "o", markersize=3.2, color=INK, markerfacecolor="none")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        share = f"field of {_percent(float(field.visible.mean()))}"
        axes.set_title(label, fontweight="bold", pad=4)
        axes.text(0, -0.04, share, transform=axes.transAxes, va="top", fontsize=8, color=MUTED)
        descriptions.append(f"{label} {share}")
    assert shown is not None
    scale = figure.add_axes((0.3, 0.36 / whole, 0.4, 0.09 / whole))
    figure.colorbar(shown, cax=scale, orientation="horizontal")
    scale.tick_params(labelsize=7.5)
    scale.set_title("gradient, relative to its largest", fontsize=8, color=MUTED, loc="center", pad=3)
    weights = formatting.join(list(dict.fromkeys(field.weights for field in fields.values())))
    caption = (
        f"Mean absolute gradient of the output at the circled patch with respect to each patch, {weights}. "
        "Hatched: patches outside the field whatever the weights, as the scan orders determine exactly."
    )
    return Drawing(name, figure, "Effective receptive fields", caption, f"Receptive fields. {'; '.join(descriptions)}.")


@styled
def reach(shares: Mapping[str, Sequence[float]], name: str = "reach") -> Drawing:
    """Draw the share of ordered pairs of patches that have reached each other after each layer, a line per arm.

    Args:
        shares: by arm, after 0, 1, … layers.
        name: stem of the files.
    """
    figure = canvas(6.8, max(3.0, 0.75 + 0.19 * len(shares)))
    axes = figure.add_axes((0.1, 0.15, 0.6, 0.81))
    ends, tips, descriptions = {}, {}, []
    for position, (label, share) in enumerate(shares.items()):
        look, marker = series_style(position), MARKERS[position % len(MARKERS)]
        layers = range(1, len(share))
        (line,) = axes.plot(layers, [100 * s for s in share[1:]], marker=marker, markersize=4, **look)
        whole = next((layer for layer in layers if share[layer] >= 1), None)
        words = f"all after {formatting.count(whole, 'layer')}" if whole else f"{_percent(share[-1])} at the end"
        line.set_gid(f"line-{position}")
        tips[f"line-{position}"] = f"{label}: {words}"
        ends[f"{label}, {words}"] = (100 * share[-1], str(look["color"]))
        descriptions.append(f"{label} {words}")
    axes.set_ylim(0, 103)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("Layer")
    axes.set_ylabel("Pairs of patches in reach (%)")
    axes.grid(axis="y")
    end_labels(axes, ends)
    caption = "Exact, from the scan orders: pairs of patches of which one can influence the other after so many layers."
    return Drawing(name, figure, "Reach by layer", caption, f"Reach by layer. {'; '.join(descriptions)}.", tips)


def _percent(share: float) -> str:
    """Format a share, as 100 % only where it is the whole."""
    return f"{min(100 * share, 99.9) if share < 1 else 100:.3g} %"


# A grid of scores.


@figure("position_scan")
def scores_over_two_axes(results: Results) -> FigureRequest:
    """Show the first metric over the suite's first two axes, as a grid."""
    metric = first_metric(results)
    axes = [axis for axis in results.suite.axes if axis.name != SEED]
    if len(axes) != 2:
        raise NoFigureError(f"a grid needs two axes beside the seed; the suite has {len(axes)}")
    values = results.values(metric)
    rows, columns = axes
    cells = {
        (run.cell.labels[rows.name], run.cell.labels[columns.name]): mean_interval(values.loc[arm])
        for arm, (run, *_) in results.by_arm.items()
    }
    names = (rows.name, columns.name)
    return request(heatmap, list(rows.points), list(columns.points), cells, metric, results.direction(metric), names)


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
    """Draw cells shaded by their mean, darker is better, with mean and interval written in."""
    from matplotlib.colors import LinearSegmentedColormap

    means = np.array([[_mean(values, row, column) for column in columns] for row in rows], dtype=float)
    figure = canvas(1.7 + 1.15 * len(columns), 0.75 + 0.48 * len(rows))
    width, height = figure.get_size_inches()
    axes = figure.add_axes((1.5 / width, 0.55 / height, 1 - 1.6 / width, 1 - 0.6 / height))
    shade = means if higher_is_better else -means
    finite = shade[np.isfinite(shade)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    level = (shade - low) / (high - low or 1.0)
    axes.imshow(
        level, cmap=LinearSegmentedColormap.from_list("shades", (SHADES[0], SHADES[2])), vmin=0, vmax=1, aspect="auto"
    )
    descriptions = []
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            estimate = values.get((row, column))
            has = math.isfinite(means[y, x])
            text = formatting.plus_minus(estimate) if has and estimate is not None else "no result"
            # Fixed colours, not the page's: the text lies on the cell's shade, not on the page.
            colour = "#777b82" if not has else "#ffffff" if level[y, x] > 0.55 else "#14161a"
            axes.text(x, y, text, ha="center", va="center", fontsize=8, color=colour)
            descriptions.append(f"{row}, {column}: {text}")
    axes.set_xticks(range(len(columns)), list(columns))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_xlabel(axes_names[1])
    axes.set_ylabel(axes_names[0])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    caption = f"{formatting.title(metric)}: mean ± half of the 95 % interval over seeds; darker is better."
    title = f"{formatting.title(metric)} by {axes_names[0]} and {axes_names[1]}"
    return Drawing(name, figure, title, caption, f"{title}. {'; '.join(descriptions)}.")


def _mean(values: Mapping[tuple[str, str], Estimate], row: str, column: str) -> float:
    estimate = values.get((row, column))
    return estimate.mean if estimate is not None else math.nan
