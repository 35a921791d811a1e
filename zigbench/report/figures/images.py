"""Pictures: samples of every arm from the same noise, and the orders in which the patches are visited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from zigbench import scan
from zigbench.report.figures.drawing import BETTER, MUTED, WORSE, Drawing, canvas, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def film(samples: np.ndarray, clips: int = 2, frames: int = 5, gap: int = 1) -> np.ndarray:
    """The first clips, each as evenly spaced frames side by side, uint8 (H, W', 4), transparent in the gaps.

    Args:
        samples: uint8 (N, T, C, H, W).
        clips: how many at most.
        frames: of each at most, the first and the last among them.
        gap: pixels between two frames; three times as many between two clips.
    """
    chosen = shown(samples.shape[1], frames)
    parts = [strip(clip[chosen], len(chosen), gap) for clip in samples[:clips]]
    between = np.zeros((samples.shape[-2], 3 * gap, 4), dtype=np.uint8)
    return np.concatenate([piece for part in parts for piece in (part, between)][:-1], axis=1)


def shown(count: int, frames: int = 5) -> list[int]:
    """Which of a clip's frames a film shows, counted from 0."""
    return sorted(set(np.linspace(0, count - 1, min(frames, count)).round().astype(int).tolist()))


def strip(samples: np.ndarray, count: int = 10, gap: int = 1) -> np.ndarray:
    """The first ``count`` samples side by side as one RGBA picture, uint8 (H, W', 4), transparent in the gaps.

    Args:
        samples: uint8 (N, C, H, W) with 1 or 3 channels (of more, the first three), or (N, T, C, H, W), of whose
            clips the first frame is shown.
        count: how many at most.
        gap: pixels between two.
    """
    images = samples[:count, 0] if samples.ndim == 5 else samples[:count]
    n, channels, height, width = images.shape
    colours = images[:, :3] if channels >= 3 else np.repeat(images[:, :1], 3, axis=1)
    canvas = np.zeros((height, n * (width + gap) - gap, 4), dtype=np.uint8)
    for position, image in enumerate(colours):
        left = position * (width + gap)
        canvas[:, left : left + width, :3] = image.transpose(1, 2, 0)
        canvas[:, left : left + width, 3] = 255
    return canvas


@styled
def sample_grid(samples: Mapping[str, np.ndarray], seed: str = "", count: int = 10, name: str = "samples") -> Drawing:
    """A row per arm; a column holds what the arms made of the same noise, that of ``seed``. Of clips some frames."""
    clips = any(images.ndim == 5 for images in samples.values())
    figure = canvas(7.2, 0.1 + 0.56 * max(len(samples), 1))
    rows = np.atleast_1d(figure.subplots(max(len(samples), 1), 1))
    for axes, (arm, images) in zip(rows, samples.items(), strict=False):
        axes.imshow(film(images) if clips else strip(images, count), interpolation="nearest")
        axes.set_ylabel(arm, rotation=0, ha="right", va="center")
    for axes in rows:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    figure.subplots_adjust(left=0.24, right=0.995, top=0.995, bottom=0.005, hspace=0.06)
    whose = f" of seed {seed}" if seed else ""
    caption = f"Not chosen: the first samples{whose}. A column starts from the same noise in every arm."
    what = "samples"
    if clips:
        length = next(iter(samples.values())).shape[1]
        told = ", ".join(str(frame + 1) for frame in shown(length))
        caption += f" In print, frames {told} of {length} of two clips."
        what = "clips, some frames of each"
    alternative = f"Grid of generated {what}, a row for each of: {', '.join(samples)}."
    return Drawing(name, figure, "Samples from the same noise", caption, alternative)


@styled
def scan_orders(orders: Mapping[str, tuple[scan.ScanOrder, Sequence[str]]], name: str = "orders") -> Drawing:
    """A picture per curve: its path over the grid, steps to a neighbour apart from jumps, and lines of text below.

    Args:
        orders: by title, the order to draw and the lines under it.
        name: stem of the files.
    """
    # Three or four in a row, whichever leaves fewer places empty.
    across = min(max(len(orders), 1), min((4, 3), key=lambda n: -len(orders) % n))
    down = -(-max(len(orders), 1) // across)
    lines = max((len(text) for _, text in orders.values()), default=0)
    below = 0.17 * lines + 0.3
    figure = canvas(7.2, down * (1.62 + below) + 0.1)
    height = figure.get_figheight()
    said = []
    for position, (title, (order, text)) in enumerate(orders.items()):
        row, column = divmod(position, across)
        bottom = height - (row + 1) * (1.62 + below) + below
        axes = figure.add_axes((column / across + 0.015, bottom / height, 1 / across - 0.04, 1.42 / height))
        _draw_order(axes, order)
        axes.set_title(title, fontweight="bold", pad=5)
        for line, words in enumerate(text):
            axes.text(0, -0.06 - 0.13 * line, words, transform=axes.transAxes, va="top", fontsize=8, color=MUTED)
        said.append(f"{title}: {', '.join(text)}")
    caption = (
        "The first direction of each curve. Dot: first patch. Blue: a step to a neighbour; red: a jump. "
        "Continuity is the share of steps that go to a neighbour."
    )
    if any(len(order.grid) == 3 for order, _ in orders.values()):
        caption += " Of an order of clips, the patches of the first frame."
    return Drawing(name, figure, "Scan orders", caption, f"Scan orders. {'; '.join(said)}.")


def _draw_order(axes: Axes, order: scan.ScanOrder) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    grid = order.grid[-2:]
    order_2d = np.asarray(order.order)[: grid[0] * grid[1]] if len(order.grid) == 2 else _first_frame(order)
    y, x = np.unravel_index(order_2d, grid)
    points = np.column_stack([x, y]).astype(float)
    near = np.abs(np.diff(points, axis=0)).sum(axis=1) == 1
    width = max(0.5, 14 / max(grid))
    for wanted, colour, thickness in ((False, WORSE, 0.45 * width), (True, BETTER, width)):
        pairs = np.flatnonzero(near == wanted)
        if len(pairs):
            vertices = np.stack([points[pairs], points[pairs + 1]], axis=1).reshape(-1, 2)
            path = Curve(vertices, [Curve.MOVETO, Curve.LINETO] * len(pairs))
            axes.add_patch(
                PathPatch(path, fill=False, edgecolor=colour, linewidth=min(thickness, 1.8), capstyle="round")
            )
    axes.plot(*points[0], "o", color=BETTER, markersize=4.5)
    axes.set_xlim(-0.7, grid[1] - 0.3)
    axes.set_ylim(grid[0] - 0.3, -0.7)
    axes.set_aspect("equal", anchor="W")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _first_frame(order: scan.ScanOrder) -> np.ndarray:
    """Tokens of frame 0 in the order of their visit: what of a 3D order fits on paper."""
    tokens = np.asarray(order.order)
    size = order.grid[-2] * order.grid[-1]
    return tokens[tokens < size]
