"""A drawing: a matplotlib Figure with its words, in one visual style, and its files. No pyplot, no global state.

Every figure is drawn in the named colours below. On a page they become the page's own variables, so that one SVG
serves light, dark and print. matplotlib is imported with the first figure that is drawn, since it is slow to import.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

from zigbench.html import COLOURS
from zigbench.report.figures.column import fit_column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

INK, MUTED, RULE, PAPER = "#1c1d21", "#5c616b", "#d4d6db", "#fefefe"
WORSE, BETTER = "#b4431d", "#1f6aa8"

SERIES = tuple(light for name, (light, _) in COLOURS.items() if name.startswith("series-"))
DASHES: tuple[tuple[float, tuple[float, ...]], ...] = ((0, ()), (0, (5, 2)), (0, (1.5, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")

VARIABLES = {
    INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper", WORSE: "--worse", BETTER: "--better",
    **{colour: f"--series-{i}" for i, colour in enumerate(SERIES)},
}  # fmt: skip

_STYLE: Any = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 9, "text.color": INK,
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "axes.linewidth": 0.7, "axes.spines.top": False,
    "axes.spines.right": False, "axes.titlesize": 9, "axes.titlelocation": "left", "axes.labelsize": 9,
    "axes.facecolor": "none", "figure.facecolor": "none", "savefig.facecolor": "none",
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5, "ytick.labelsize": 8.5, "xtick.major.width": 0.7, "ytick.major.width": 0.7,
    "grid.color": RULE, "grid.linewidth": 0.6, "lines.linewidth": 1.5, "axes.unicode_minus": True,
    "axes.axisbelow": True, "svg.hashsalt": "zigbench", "svg.image_inline": True, "svg.fonttype": "none",
    "pdf.fonttype": 42, "text.parse_math": False,
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """A figure and its words.

    Args:
        name: stem of its files.
        figure: the picture; its size is in inches.
        title: a heading for it.
        caption: how to read it.
        alternative: what it shows, in words and numbers, for those who can't see it.
        tips: hover texts by the gid of the artist they belong to.
    """

    name: str
    figure: Figure
    title: str
    caption: str
    alternative: str
    tips: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def style() -> Iterator[None]:
    """Apply the house style for as long as the block lasts."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def styled(draw: Callable[P, Drawing]) -> Callable[P, Drawing]:
    """Wrap a drawing function: it draws in the house style and leaves the caller's settings alone."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> Drawing:
        with style():
            return draw(*args, **kwargs)

    return inside


def canvas(width: float, height: float) -> Figure:
    """Return an empty figure, its size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def series_style(position: int) -> dict[str, Any]:
    """Return colour and dashes of the ``position``-th series."""
    lap = position // len(SERIES)
    return {"color": SERIES[position % len(SERIES)], "linestyle": DASHES[lap % len(DASHES)]}


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Move label positions apart until neighbours are ``gap`` from each other, keeping their order and their mean."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    groups: list[tuple[float, list[int]]] = []
    for index in order:
        groups.append((places[index], [index]))
        while len(groups) > 1:
            (low, below), (high, above) = groups[-2:]
            if high - low >= gap * (len(below) + len(above)) / 2:
                break
            merged = [*below, *above]
            groups[-2:] = [((low * len(below) + high * len(above)) / len(merged), merged)]
    moved = list(places)
    for centre, members in groups:
        for position, index in enumerate(members):
            moved[index] = centre + gap * (position - (len(members) - 1) / 2)
    return moved


def plain_log_ticks(axes: Axes, which: Literal["x", "y"] = "y") -> None:
    """Set ticks at 1, 2 and 5 of every decade of a logarithmic axis, at 1 alone over many, as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis = axes.yaxis if which == "y" else axes.xaxis
    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if high < 3e3 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    axis.set_minor_locator(NullLocator())


def end_labels(axes: Axes, labels: Mapping[str, tuple[float, str]], size: float = 8.5) -> None:
    """Write each series' name (label → (y in data units, colour)) at the right edge, without overlap."""
    if not labels:
        return
    names = list(labels)
    axes.get_ylim()  # Applies the pending autoscale, on which the heights below rest.
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = [float(to_axes.transform((axes.get_xlim()[0], labels[name][0]))[1]) for name in names]
    inches = axes.get_window_extent().height / axes.figure.dpi
    places = spread(heights, size * 1.35 / 72 / inches)
    colours = [labels[name][1] for name in names]
    for name, colour, now in zip(names, colours, places, strict=True):
        axes.annotate(
            name, (1.035, now), xycoords="axes fraction", color=colour, fontsize=size, va="center",
            annotation_clip=False,
        )  # fmt: skip
    # Lines of their own: those of an annotation are cut at its text by bisection, a sixth of a figure's time.
    from matplotlib.collections import LineCollection

    ends = [((1.005, was), (1.029, now)) for was, now in zip(heights, places, strict=True)]
    lines = LineCollection(ends, colors=colours, linewidths=0.6, transform=axes.transAxes, clip_on=False)
    axes.add_collection(lines, autolim=False)


def save(drawing: Drawing, folder: Path) -> str:
    """Write ``<name>.svg``, ``.png`` (200 dpi) and ``.pdf`` into ``folder``, and return the SVG.

    Each carries its title and caption within, since files travel alone. Equal figures give equal bytes. SVG and PNG are
    for a page, the PDF for one column of a paper: the drawing's figure is left at that size.
    """
    figure, title, caption = drawing.figure, drawing.title, drawing.caption
    # Computed once: left to savefig, every format would draw the figure twice.
    extent = figure.get_tightbbox().padded(0.05)
    buffer = io.StringIO()
    with style():
        about = {"Title": title, "Description": caption, "Date": None}
        figure.savefig(buffer, format="svg", metadata=about, bbox_inches=extent, transparent=True)
        stem = folder / drawing.name
        about = {"Title": title, "Description": caption}
        figure.savefig(f"{stem}.png", dpi=200, metadata=about, bbox_inches=extent, facecolor="white")
        fit_column(figure)
        extent = figure.get_tightbbox().padded(0.02)
        about = {"Title": title, "Subject": caption, "CreationDate": None}
        figure.savefig(f"{stem}.pdf", dpi=200, metadata=about, bbox_inches=extent, facecolor="white")
    svg = buffer.getvalue()
    white = re.sub(r"(<svg [^>]*>)", r'\1<rect width="100%" height="100%" fill="white"/>', svg, count=1)
    Path(f"{stem}.svg").write_text(white, encoding="utf-8")
    return svg


def save_as(drawing: Drawing, path: Path) -> None:
    """Write a drawing to one file, with its folder: .svg or .png for a page, .pdf for one column of a paper.

    Raises:
        ValueError: another ending.
    """
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise ValueError(f"{path}: expected a name that ends in .svg, .png or .pdf")
    path.parent.mkdir(parents=True, exist_ok=True)
    with style():
        if path.suffix == ".pdf":
            fit_column(drawing.figure)
        about = {"Title": drawing.title, "Subject" if path.suffix == ".pdf" else "Description": drawing.caption}
        drawing.figure.savefig(path, dpi=200, metadata=about, bbox_inches="tight", facecolor="white")


def inline_svg(drawing: Drawing, svg: str) -> str:
    """Return the SVG of a drawing as an element for a page: its colours are the page's variables.

    It carries the text alternative, its ids can't clash with another figure's, and hover texts are ``<title>``s.
    """
    text = svg
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<title>.*?</title>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r'\bid="([^"]*)"', rf'id="{drawing.name}-\1"', text)
    text = re.sub(r"url\(#", f"url(#{drawing.name}-", text)
    text = text.replace('href="#', f'href="#{drawing.name}-')
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    text = re.sub(r"'DejaVu Sans'(, [^;\"]*)?", "var(--figure-font)", text)
    for gid, tip in drawing.tips.items():
        opening = f'<g id="{drawing.name}-{gid}">'
        text = text.replace(opening, f"{opening}<title>{escape(tip)}</title>")
    text = re.sub(r">\s+<", "><", text)
    width, height = (float(n) for n in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)[0])
    text = re.sub(r'<svg ([^>]*?)height="[^"]*"([^>]*?)width="[^"]*"', r"<svg \1\2", text, count=1)
    size = f"max-width:{width * 1.6:.0f}px;min-width:{min(width, 460):.0f}px;aspect-ratio:{width:.0f}/{height:.0f}"
    head = f'<svg role="img" aria-label="{escape(drawing.alternative)}" style="{size}"'
    return text.replace("<svg", head, 1).strip()
