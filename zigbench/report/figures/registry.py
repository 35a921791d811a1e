"""A registered figure, a request to draw it, and the drawing of requests in parallel processes.

A registered figure is a function that takes a suite's results and returns a request: a pure drawing function and its
arguments. A function whose results do not suffice raises :class:`NoFigureError`, whose message the page shows.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from zigbench import host_memory
from zigbench.report.figures.drawing import Drawing, inline_svg, save
from zigbench.report.results import Results

P = ParamSpec("P")


class NoFigureError(ValueError):
    """The results do not hold what a figure shows; the message says what is missing."""


@dataclass(frozen=True)
class FigureRequest:
    """A drawing function and its arguments."""

    function: Callable[..., Drawing]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]

    def draw(self) -> Drawing:
        """Draw the figure now."""
        return self.function(*self.arguments, **self.options)


def request(function: Callable[P, Drawing], *arguments: P.args, **options: P.kwargs) -> FigureRequest:
    """Return a request for ``function(*arguments, **options)``."""
    return FigureRequest(function, arguments, options)


Requests = FigureRequest | Mapping[str, FigureRequest]
"""One request, or several by the names of their files."""


@dataclass(frozen=True)
class RegisteredFigure:
    """A figure that suites may name.

    Args:
        name: its name in ``suite.figures``.
        standard: True where every suite that trains shows it without naming it.
        make: the function from results to a request.
        summary: one sentence for the documentation.
    """

    name: str
    standard: bool
    make: Callable[[Results], Requests]
    summary: str

    def requests(self, results: Results) -> dict[str, FigureRequest]:
        """Return the requests of the figure by the names of their files.

        Raises:
            NoFigureError: the results do not hold what the figure shows.
        """
        requests = self.make(results)
        return {self.name: requests} if isinstance(requests, FigureRequest) else dict(requests)


FIGURES: dict[str, RegisteredFigure] = {}
"""Every registered figure by name, the standard ones first in the order of a page."""

Make = TypeVar("Make", bound=Callable[[Results], Requests])


def figure(name: str, *, standard: bool = False, summary: str | None = None) -> Callable[[Make], Make]:
    """Register the decorated function as the figure ``name``.

    Args:
        name: the name by which a suite requests it.
        standard: True to show it for every suite that trains.
        summary: a sentence for the documentation; by default the first line of the function's docstring.

    Raises:
        ValueError: another figure has the name.
    """

    def register(make: Make) -> Make:
        if name in FIGURES:
            raise ValueError(f"two figures are called {name!r}; rename one")
        FIGURES[name] = RegisteredFigure(name, standard, make, summary or (make.__doc__ or "").partition("\n")[0])
        return make

    return register


def first_metric(results: Results) -> str:
    """Return the metric that the suite's answer is about.

    Raises:
        NoFigureError: nothing was measured.
    """
    if not results.metrics:
        raise NoFigureError("nothing was measured")
    return results.metrics[0]


@dataclass(frozen=True)
class Picture:
    """The parts of a drawing that a page needs: its words, and its SVG as :func:`inline_svg` returns it."""

    name: str
    title: str
    caption: str
    alternative: str
    svg: str


Pictures = dict[str, Picture]


def start_drawing(requests: Mapping[str, FigureRequest], folder: Path, note: str = "") -> Callable[[], Pictures]:
    """Begin to draw every request, and return a function that waits for the pictures and returns them by name.

    Figures are drawn in forked processes, one a core; matplotlib's settings are global, so threads can't share them.

    Args:
        requests: by name.
        folder: of the figures' files; it exists.
        note: a sentence at the end of each caption, such as how many runs the figures rest on.

    Raises:
        OSError: ``folder`` can't be written; raised on waiting.
    """
    workers = min(len(requests), host_memory.available_cores()) if sys.platform == "linux" else 1
    if workers < 2:
        return partial(_draw_all, requests, folder, note)
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_pdf
    import matplotlib.backends.backend_svg  # noqa: F401  Imported before the fork, once for all workers.

    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("fork"))
    futures = {name: pool.submit(_draw, wanted, folder, note) for name, wanted in requests.items()}
    pool.shutdown(wait=False)
    return partial(_wait, futures)


def draw_all(requests: Mapping[str, FigureRequest], folder: Path, note: str = "") -> Pictures:
    """Draw every request as :func:`start_drawing` does, and return the pictures by name."""
    return start_drawing(requests, folder, note)()


def _draw_all(requests: Mapping[str, FigureRequest], folder: Path, note: str) -> Pictures:
    return {name: _draw(wanted, folder, note) for name, wanted in requests.items()}


def _wait(futures: Mapping[str, Future[Picture]]) -> Pictures:
    return {name: future.result() for name, future in futures.items()}


def _draw(wanted: FigureRequest, folder: Path, note: str) -> Picture:
    drawing = wanted.draw()
    drawing = replace(drawing, caption=f"{drawing.caption} {note}".strip())
    svg = inline_svg(drawing, save(drawing, folder))
    return Picture(drawing.name, drawing.title, drawing.caption, drawing.alternative, svg)
