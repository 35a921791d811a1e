"""The summary of all suites for a repository: question, answer and main figure of each, in one Markdown page."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from zigbench.report import formatting, provenance
from zigbench.report.answer import answer, completeness
from zigbench.report.figures import Drawing, catalogue
from zigbench.report.figures.drawing import style
from zigbench.report.results import Results
from zigbench.report.standard import LEAST_SEEDS, LEAST_STEPS, shortfalls
from zigbench.spec.files import write_atomically

LARGEST_FIGURE = 60_000
"""Bytes of a figure."""

RESOLUTIONS = (200, 160, 120, 100, 85, 72, 60, 50, 40)
"""Dots per inch that a figure is drawn at, the first at which it is small enough."""

COLOURS = 64

STANDARD = (
    "A result stands beside a reference predictor, rests on held-out triples that cover the held-out images evenly and "
    f"on {LEAST_SEEDS} seeds, and is about networks that were trained for {LEAST_STEPS} steps at least. These suites "
    "have records that do not meet this; their pages show what was measured."
)


def write_summary(suites: Iterable[tuple[Results, str]], out: Path, *, command: str) -> Path:
    """Write ``README.md`` into the folder ``out``, and a PNG for each suite into ``out/figures``; return the former.

    A suite has a section where its records are a result: where they meet the standard of
    :mod:`zigbench.report.standard`. The others are named at the end, each with the reasons; so is one of which less
    than half of the runs have finished, or of which all finished runs are those of another suite that is whole.

    Args:
        suites: results of each suite, and the command line that makes its page.
        out: folder; made where it is not there.
        command: command line that makes the summary again.

    Raises:
        OSError: ``out`` can't be written.
    """
    (out / "figures").mkdir(parents=True, exist_ok=True)
    sections, below, begun = [], [], []
    known = list(suites)
    whole = [{run.id for run in results.runs} for results, _ in known if len(results.finished) == len(results.runs)]
    for results, page in known:
        name, finished = results.suite.name, {run.id for run in results.finished}
        part_of_another = len(finished) < len(results.runs) and any(finished <= other for other in whole)
        if 2 * len(finished) < len(results.runs) or part_of_another:
            begun.append(f"`{name}` ({completeness(results)})")
        elif reasons := shortfalls(results):
            below.append(f"- `{name}`, {completeness(results)}: {'; '.join(reasons)}. `{page}`")
        else:
            sections.append("\n\n".join(_section(results, page, out / "figures")))
            continue
        (out / "figures" / f"{name}.png").unlink(missing_ok=True)
    opening = (
        "# Reports\n\n"
        f"The suites' questions, and the answers from the records. `{command}` makes this page and its figures. The "
        "command below a figure makes the suite's whole page, with tables, samples, provenance and every run."
    )
    ending = []
    if below:
        ending.append(f"## Not shown as results\n\n{STANDARD}\n\n" + "\n".join(below))
    if begun:
        ending.append(f"Begun: {', '.join(begun)}.")
    text = "\n\n".join((opening, *sections, *ending)) + "\n"
    path = out / "README.md"
    write_atomically(path, text.encode())
    return path


def _section(results: Results, page: str, figures: Path) -> Iterator[str]:
    yield f"## {results.suite.name}"
    yield f"*{results.suite.question}*"
    yield "\n".join(f"- {sentence}" for sentence in answer(results))
    requests, _ = catalogue.requests(results)
    name = catalogue.main_figure(results, requests)
    if name is not None:
        drawing = requests[name].draw()
        path = figures / f"{results.suite.name}.png"
        write_atomically(path, small_png(drawing))
        alternative = textwrap.shorten(drawing.alternative, 400, placeholder=" …").replace("[", "(").replace("]", ")")
        yield f"![{alternative}](figures/{path.name})"
        yield f"*{drawing.title}.* {drawing.caption}"
    seeds = results.seeds
    of_seeds = f", {formatting.count(len(seeds), formatting.block(seeds))}" if len(seeds) > 1 else ""
    yield f"{completeness(results)}{of_seeds}; {provenance.hardware(results)}. `{page}`"


def small_png(drawing: Drawing) -> bytes:
    """Return a drawing as a PNG of few colours and at most :data:`LARGEST_FIGURE` bytes; equal figures are equal."""
    from PIL import Image

    extent = drawing.figure.get_tightbbox().padded(0.05)
    for dpi in RESOLUTIONS:
        whole, small = io.BytesIO(), io.BytesIO()
        with style():
            drawing.figure.savefig(whole, format="png", dpi=dpi, bbox_inches=extent, facecolor="white")
        Image.open(whole).convert("RGB").quantize(COLOURS).save(small, "PNG", optimize=True)
        if small.tell() <= LARGEST_FIGURE:
            break
    return small.getvalue()
