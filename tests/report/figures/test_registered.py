"""Every registered figure is drawn of the synthetic suite, in words too, or refused as what its results do not hold."""

from __future__ import annotations

import re

import pytest
import synthetic

from zigbench.report.figures import FigureRequest, NoFigureError
from zigbench.report.figures.catalogue import FIGURES
from zigbench.report.figures.registry import RegisteredFigure
from zigbench.report.results import Results, join


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    root = tmp_path_factory.mktemp("runs")
    return join(synthetic.suite(), synthetic.populate(root, synthetic.suite()), root)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_and_says_in_words_what_it_shows(results: Results, name: str) -> None:
    figure = FIGURES[name]
    assert re.fullmatch(r"[A-Z].*\.", figure.summary)
    drawings = [request.draw() for request in requests_of(figure, results)]
    for drawing in drawings:
        assert drawing.title
        assert drawing.caption
        assert drawing.alternative


def requests_of(figure: RegisteredFigure, results: Results) -> list[FigureRequest]:
    """Return what a figure draws of the results; nothing where it says what they do not hold."""
    try:
        return list(figure.requests(results).values())
    except NoFigureError:
        return []
