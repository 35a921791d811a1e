"""Pictures of scan orders: PNG and SVG by matplotlib (imported when first drawn), text for a terminal.

The drawing functions are pure: an order or rows in, axes or a figure out. Saving is :func:`save`.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zigbench.scan.order import ScanOrder, grid_text
from zigbench.scan.reachability import reach
from zigbench.scan.statistics import locality, statistics
from zigbench.scan.svg import RAMP
from zigbench.scan.symmetries import symmetry
from zigbench.scan.terminal import box_drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "box_drawing",
    "comparison_figure",
    "draw",
    "figure",
    "locality_figure",
    "reach_figure",
    "save",
    "save_comparison",
    "sheet",
]


def draw(order: ScanOrder, ax: Axes) -> None:
    """Draw an image's order into ``ax``: neighbours joined by lines coloured by step, jumps thin and pale.

    Raises:
        ValueError: a clip's order; :func:`figure` draws one panel a frame.
    """
    if len(order.grid) != 2:
        raise ValueError(f"draw takes orders of (h, w); {grid_text(order.grid)} is a clip, use figure(order)")
    _panel(order, ax, frame=None)


def _panel(order: ScanOrder, ax: Axes, frame: int | None) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap

    places = order.coordinates()
    height, width = order.grid[-2:]
    points = places[:, -2:][:, ::-1]
    moved = np.abs(np.diff(places, axis=0))
    inside = np.ones(len(moved), dtype=bool)
    if frame is not None:
        inside = (places[:-1, 0] == frame) & (places[1:, 0] == frame)
    near = moved.sum(axis=1) == 1
    segments = np.stack([points[:-1], points[1:]], axis=1)
    ramp = LinearSegmentedColormap.from_list("scan", list(RAMP))
    position = np.arange(len(moved)) / max(len(moved) - 1, 1)
    extent = ax.get_window_extent()
    points_per_token = 72 / ax.figure.dpi * min(extent.width / width, extent.height / height)
    line = max(0.5, 0.26 * points_per_token)
    for chosen, thickness, alpha in ((inside & ~near, 0.4 * line, 0.45), (inside & near, line, 1.0)):
        lines = LineCollection(
            list(segments[chosen]), colors=ramp(position[chosen]), linewidths=thickness, alpha=alpha, capstyle="round"
        )
        ax.add_collection(lines)
    for step, marker, tint in ((0, "o", RAMP[0]), (-1, "s", RAMP[-1])):
        if frame is None or places[step, 0] == frame:
            ax.plot(*points[step], marker=marker, color=tint, markersize=2.4 * line, clip_on=False)
    ax.set_xlim(-0.75, width - 0.25)
    ax.set_ylim(height - 0.25, -0.75)
    ax.set_aspect("equal")
    ax.set_axis_off()


def figure(order: ScanOrder, *, side: float = 5.0) -> Figure:
    """A figure of one order, its longer side ``side`` inches; a clip gets one panel a frame."""
    from matplotlib.figure import Figure as New

    frames = order.grid[0] if len(order.grid) == 3 else 1
    height, width = order.grid[-2:]
    across = math.ceil(math.sqrt(frames * height / width)) if frames > 1 else 1
    down = math.ceil(frames / across)
    unit = side / max(across * width, down * height)
    made = New(figsize=(max(across * width * unit, 1.5), max(down * height * unit, 1.0) + 0.4), layout="constrained")
    panels = made.subplots(down, across, squeeze=False).reshape(-1)
    made.canvas.draw()
    for index, ax in enumerate(panels):
        if index < frames:
            _panel(order, ax, frame=index if len(order.grid) == 3 else None)
            if frames > 1:
                ax.set_title(f"frame {index}", fontsize=8)
        else:
            ax.set_axis_off()
    about = symmetry(order.variant).description
    made.suptitle(f"{order.curve}, variant {order.variant}: {about}", fontsize=9)
    return made


def sheet(orders: Sequence[ScanOrder], *, side: float = 2.6, across: int = 4) -> Figure:
    """Images' orders side by side, each over its continuity, mean jump and longest jump; ``side`` inches a panel.

    Raises:
        ValueError: no orders, or a clip's.
    """
    from matplotlib.figure import Figure as New

    if not orders:
        raise ValueError("a sheet needs at least one order")
    across = min(across, len(orders))
    down = math.ceil(len(orders) / across)
    made = New(figsize=(across * side, down * (side + 0.55)), layout="constrained")
    panels = made.subplots(down, across, squeeze=False).reshape(-1)
    made.canvas.draw()
    for ax in panels[len(orders) :]:
        ax.set_axis_off()
    for ax, order in zip(panels, orders, strict=False):
        draw(order, ax)
        figures = statistics(order)
        name = textwrap.fill(f"{order.curve.replace(',', ', ')}, variant {order.variant}", width=36)
        ax.set_title(
            f"{name}\n{100 * figures['continuity']:.1f} % continuous, "
            f"jumps {figures['mean_jump']:.1f} / {figures['max_jump']:.0f}",
            fontsize=8,
        )
    return made


def locality_figure(orders: Sequence[ScanOrder]) -> Figure:
    """Mean grid distance of tokens k steps apart against k, one line an order, both axes logarithmic."""
    from matplotlib.figure import Figure as New

    made = New(figsize=(8.0, 4.4), layout="constrained")
    _locality(made.subplots(), orders)
    made.axes[0].legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return made


def reach_figure(cycles: Sequence[tuple[str, Sequence[ScanOrder]]]) -> Figure:
    """Share of token pairs reached after each layer, one line for each (label, cycle of orders)."""
    from matplotlib.figure import Figure as New

    made = New(figsize=(8.0, 4.4), layout="constrained")
    _reach(made.subplots(), cycles)
    made.axes[0].legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return made


def comparison_figure(cycles: Sequence[tuple[str, Sequence[ScanOrder]]]) -> Figure:
    """Locality of each cycle's first order beside the reach of the whole cycle, under one legend.

    Raises:
        ValueError: no cycles.
    """
    from matplotlib.figure import Figure as New

    if not cycles:
        raise ValueError("a comparison needs at least one curve")
    made = New(figsize=(10.0, 4.6 + 0.18 * (len(cycles) // 5)), layout="constrained")
    left, right = made.subplots(1, 2)
    _locality(left, [cycle[0] for _, cycle in cycles])
    _reach(right, cycles)
    right.set_title(f"What is reached by layers that take {len(cycles[0][1])} variants in turn", fontsize=11)
    handles, _ = left.get_legend_handles_labels()
    made.legend(handles, [name for name, _ in cycles], fontsize=8, frameon=False, ncols=5, loc="outside lower center")
    return made


def _locality(ax: Axes, orders: Sequence[ScanOrder]) -> None:
    for index, order in enumerate(orders):
        lags, distance = locality(order)
        ax.plot(lags, distance, label=order.curve, linewidth=1.6, **_style(index))
    ax.set(xscale="log", yscale="log", xlabel="steps apart, k", ylabel="mean grid distance (Manhattan)")
    ax.set_title(f"What lies k steps apart on {grid_text(orders[0].grid)}" if orders else "")
    ax.grid(alpha=0.25)


def _reach(ax: Axes, cycles: Sequence[tuple[str, Sequence[ScanOrder]]]) -> None:
    for index, (name, cycle) in enumerate(cycles):
        share = reach(cycle).share
        ax.plot(range(1, len(share) + 1), share, marker="o", markersize=4, label=name, **_style(index))
    ax.set(xlabel="layer", ylabel="share of token pairs reached", ylim=(0, 1.02))
    ax.locator_params(axis="x", integer=True)
    ax.grid(alpha=0.25)


def _style(index: int) -> dict[str, Any]:
    # Ten colours, then the same ten dashed: more lines than that can't be told apart by colour alone.
    return {"color": f"C{index % 10}", "linestyle": ("-", "--", ":", "-.")[index // 10 % 4]}


def save(order: ScanOrder, path: str | Path, *, side: float = 5.0) -> Path:
    """Write :func:`figure` to ``path`` (.png or .svg) and return it.

    Raises:
        ValueError: another ending.
    """
    target = _writable(path)
    figure(order, side=side).savefig(target, dpi=160)
    return target


def save_comparison(cycles: Sequence[tuple[str, Sequence[ScanOrder]]], path: str | Path) -> Path:
    """Write :func:`comparison_figure` to ``path`` (.png or .svg) and return it.

    Raises:
        ValueError: another ending, or no cycles.
    """
    target = _writable(path)
    comparison_figure(cycles).savefig(target, dpi=160)
    return target


def _writable(path: str | Path) -> Path:
    """The path of a picture to write, its folder made.

    Raises:
        ValueError: an ending other than .png and .svg.
    """
    target = Path(path)
    if target.suffix not in (".png", ".svg"):
        raise ValueError(f"{target}: expected a name that ends in .png or .svg")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
