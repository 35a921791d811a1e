"""What the tokens of a network see: the receptive field of the middle one, and how far layers let all of them reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zigbench.report import formatting
from zigbench.report.figures.drawing import (
    INK,
    MARKERS,
    MUTED,
    Drawing,
    canvas,
    end_labels,
    series_style,
    styled,
)

FAINTEST = 1e-4
"""Share of the largest gradient below which all is drawn alike."""

HATCH = "#9aa0ab"
"""A grey that shows on light and dark: a pattern can't take a page's variable."""

SHADES = ("#e9f1f8", "#9dc3e3", "#1f5f9e", "#0b2a4a")


@dataclass(frozen=True)
class Field:
    """What one token's output depends on.

    Args:
        strength: (rows, columns), the mean size of the gradient.
        seen: bool, of the same shape: False where nothing can be seen whatever the weights.
        weights: whose network it is, in words.
    """

    strength: np.ndarray
    seen: np.ndarray
    weights: str


@styled
def receptive_fields(fields: Mapping[str, Field], name: str = "receptive_fields") -> Drawing:
    """A panel an arm: the gradient relative to its largest on one logarithmic scale; hatched what can't be seen."""
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    across = min(max(len(fields), 1), 4)
    down = -(-max(len(fields), 1) // across)
    rows, columns = next(iter(fields.values())).strength.shape
    side = 7.2 / across - 0.25
    tall = side * rows / columns
    whole = down * (tall + 0.62) + 0.62
    figure = canvas(7.2, whole)
    norm = LogNorm(FAINTEST, 1.0)
    shades = LinearSegmentedColormap.from_list("field", SHADES)
    said, shown = [], None
    for index, (label, field) in enumerate(fields.items()):
        row, column = divmod(index, across)
        bottom = whole - (row + 1) * (tall + 0.62) + 0.22
        axes = figure.add_axes((column / across + 0.012, bottom / whole, side / 7.2, tall / whole))
        relative = np.clip(field.strength / (field.strength.max() or 1.0), FAINTEST, None)
        shown = axes.imshow(np.where(field.seen, relative, np.nan), norm=norm, cmap=shades, interpolation="nearest")
        if not field.seen.all():
            axes.patch.set(hatch="////", facecolor="none", edgecolor=HATCH, linewidth=0)
        axes.plot(columns // 2, rows // 2, "o", markersize=3.2, color=INK, markerfacecolor="none")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        share = f"sees {_percent(float(field.seen.mean()))}"
        axes.set_title(label, fontweight="bold", pad=4)
        axes.text(0, -0.04, share, transform=axes.transAxes, va="top", fontsize=8, color=MUTED)
        said.append(f"{label} {share}")
    assert shown is not None
    scale = figure.add_axes((0.3, 0.36 / whole, 0.4, 0.09 / whole))
    figure.colorbar(shown, cax=scale, orientation="horizontal")
    scale.tick_params(labelsize=7.5)
    scale.set_title("gradient, relative to its largest", fontsize=8, color=MUTED, loc="center", pad=3)
    whose = formatting.listed(list(dict.fromkeys(field.weights for field in fields.values())))
    caption = (
        f"What the output at the circled patch depends on: the mean size of the gradient, {whose}. "
        "Hatched: what it can't depend on whatever the weights are, told exactly by the orders."
    )
    return Drawing(name, figure, "Effective receptive fields", caption, f"Receptive fields. {'; '.join(said)}.")


@styled
def reach(shares: Mapping[str, Sequence[float]], name: str = "reach") -> Drawing:
    """Share of the ordered pairs of patches that have reached each other after each layer, a line an arm.

    Args:
        shares: by arm, after 0, 1, … layers.
        name: stem of the files.
    """
    figure = canvas(6.8, max(3.0, 0.75 + 0.19 * len(shares)))
    axes = figure.add_axes((0.1, 0.15, 0.6, 0.81))
    ends, tips, said = {}, {}, []
    for position, (label, share) in enumerate(shares.items()):
        look, marker = series_style(position), MARKERS[position % len(MARKERS)]
        layers = range(1, len(share))
        (line,) = axes.plot(layers, [100 * s for s in share[1:]], marker=marker, markersize=4, **look)
        whole = next((layer for layer in layers if share[layer] >= 1), None)
        words = f"all after {formatting.count(whole, 'layer')}" if whole else f"{_percent(share[-1])} at the end"
        line.set_gid(f"line-{position}")
        tips[f"line-{position}"] = f"{label}: {words}"
        ends[f"{label}, {words}"] = (100 * share[-1], str(look["color"]))
        said.append(f"{label} {words}")
    axes.set_ylim(0, 103)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("Layer")
    axes.set_ylabel("Pairs of patches in reach (%)")
    axes.grid(axis="y")
    end_labels(axes, ends)
    caption = "Exact, from the orders alone: which patches can influence which others after so many layers."
    return Drawing(name, figure, "Reach by layer", caption, f"Reach by layer. {'; '.join(said)}.", tips)


def _percent(share: float) -> str:
    """Never 100 % of what is not all."""
    return f"{min(100 * share, 99.9) if share < 1 else 100:.3g} %"
