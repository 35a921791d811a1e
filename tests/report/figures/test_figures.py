"""Figures are pure, say their numbers in words, and can stand side by side on one page."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zigbench import scan
from zigbench.report import figures
from zigbench.report.figures import catalogue, effects, images, orders, registry, training, trends
from zigbench.report.figures.drawing import spread
from zigbench.report.figures.trends import Point
from zigbench.report.results import Results, join
from zigbench.report.statistics import Effect, Estimate
from zigbench.suite import Axis, grid


def estimate(mean: float, half: float = 0.01) -> Estimate:
    return Estimate(mean, mean - half, mean + half, 3)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.floats(0.01, 1))
def test_spread_keeps_order_mean_and_distance(places: list[float], gap: float) -> None:
    moved = spread(places, gap)
    order = sorted(range(len(places)), key=lambda i: places[i])
    distances = np.diff([moved[i] for i in order])
    assert np.all(distances >= gap * (1 - 1e-6) - 1e-9)
    assert np.mean(moved) == pytest.approx(np.mean(places), abs=1e-6)


def test_spread_leaves_what_is_apart_alone() -> None:
    assert spread([0.0, 1.0, 3.0], 0.5) == [0.0, 1.0, 3.0]


points = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=15)


@settings(max_examples=60, deadline=None)
@given(points, st.booleans())
def test_frontier_is_what_nothing_beats(pairs: list[tuple[float, float]], higher: bool) -> None:
    given_points = [Point(str(i), x, estimate(y)) for i, (x, y) in enumerate(pairs)]
    front = trends.frontier(given_points, higher)
    sign = -1 if higher else 1

    def beats(a: Point, b: Point) -> bool:
        at_least = a.x <= b.x and sign * a.y.mean <= sign * b.y.mean
        return at_least and (a.x < b.x or sign * a.y.mean < sign * b.y.mean)

    assert all(not any(beats(other, point) for other in given_points) for point in front)
    for point in given_points:
        if not any(beats(other, point) for other in given_points):
            assert any((f.x, f.y.mean) == (point.x, point.y.mean) for f in front)


def test_forest_says_every_effect_and_its_verdict() -> None:
    drawn = effects.forest(
        [
            Effect("a", "base", estimate(0.1), 0.001, 0.002),
            Effect("b", "base", estimate(0.001), 0.9, 0.9),
            Effect("c", "base", Estimate(math.nan, math.nan, math.nan, 0), math.nan, math.nan),
        ],
        "held_out_loss",
        higher_is_better=False,
    )
    assert "a against base: +0.100 ± 0.010, worse" in drawn.alternative
    assert "b against base: +0.001 ± 0.010, not separated" in drawn.alternative
    assert "c against" not in drawn.alternative
    assert len(drawn.tips) == 2


def test_loss_curves_average_within_spans_and_skip_arms_without_logs() -> None:
    rows = [("a", s, step, float(step % 2)) for s in "01" for step in range(1, 1601)]
    frame = pd.DataFrame(rows, columns=["arm", "seed_label", "step", "loss"])
    binned = training.binned(frame, 1600.0)
    assert len(binned) == pytest.approx(training.POINTS, abs=1)
    # Ten steps of 0, 1, 0, 1, … have the mean one half.
    assert binned.iloc[5:-5].to_numpy() == pytest.approx(0.5)
    drawn = training.loss_curves(frame, ("a", "b"))
    assert "a " in drawn.alternative
    assert "b " not in drawn.alternative.split(":", 1)[1]


def test_loss_curves_bear_infinite_and_missing_losses() -> None:
    rows = [("a", "0", 1, math.inf), ("a", "0", 2, math.nan), ("a", "0", 3, 1.0)]
    frame = pd.DataFrame(rows, columns=["arm", "seed_label", "step", "loss"])
    assert "a 1 " in training.loss_curves(frame, ("a",)).alternative.replace(".", " ") + " "


@pytest.mark.parametrize("shape", [(3, 1, 4, 6), (3, 3, 4, 6), (3, 4, 4, 6), (3, 2, 3, 4, 6)])
def test_strip_lays_samples_side_by_side(shape: tuple[int, ...]) -> None:
    samples = np.arange(math.prod(shape), dtype=np.uint32).astype(np.uint8).reshape(shape)
    picture = images.strip(samples, count=2, gap=1)
    assert picture.shape == (4, 13, 4)
    assert np.all(picture[:, 6, 3] == 0)
    first = samples[0, 0] if len(shape) == 5 else samples[0]
    assert np.array_equal(picture[:, :6, 0], first[0])


def test_scan_orders_draw_every_step_once() -> None:
    order = scan.make_order("hilbert-released", (8, 8))
    drawn = orders.scan_orders({"hilbert-released": (order, ["continuity 0.444"])})
    jumps, near = (len(patch.get_path().vertices) // 2 for patch in drawn.figure.axes[0].patches)
    assert near / 63 == pytest.approx(scan.statistics(order)["continuity"])
    assert near + jumps == 63


def test_svg_for_a_page_has_own_ids_words_and_variables(tmp_path: Path) -> None:
    hostile = '<b>"&x</b>'
    drawn = [
        trends.scatter([Point(hostile, 1, estimate(1)), Point("b", 2, estimate(2))], "X", "fid", name)
        for name in ("one", "two")
    ]
    texts = [figures.inline_svg(d, figures.save(d, tmp_path)) for d in drawn]
    trees = [ElementTree.fromstring(text) for text in texts]
    ids = [element.get("id") for tree in trees for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for text, tree, drawing in zip(texts, trees, drawn, strict=True):
        assert tree.get("aria-label") == drawing.alternative
        assert "var(--ink)" in text
        assert not re.search(r"#[0-9a-f]{6}", re.sub(r'(href|url\()="?#[^")]*', "", text))
        titles = [e.text for e in tree.iter() if e.tag.endswith("title")]
        assert any(hostile in (title or "") for title in titles)


def test_saved_files_open(tmp_path: Path) -> None:
    drawn = trends.scatter([Point("a", 1, estimate(1)), Point("b", 2, estimate(2))], "X", "fid", "f")
    figures.save(drawn, tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".pdf", ".png", ".svg"]
    assert all(path.stat().st_size > 1000 for path in tmp_path.iterdir())
    assert Image.open(tmp_path / "f.png").width > 800
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    ElementTree.parse(tmp_path / "f.svg")


def test_figures_leave_matplotlibs_state_alone(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, matplotlib; before = matplotlib.rcParams.copy()\n"
        "from zigbench.report import figures\n"
        "from zigbench.report.figures import trends\nfrom zigbench.report.statistics import Estimate\n"
        "d = trends.scatter([trends.Point('a', 1, Estimate(1, 0, 2, 3))], 'X', 'fid', 'f')\n"
        "figures.save(d, pathlib.Path(sys.argv[1]))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\nassert matplotlib.rcParams.copy() == before\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_catalogue_allows_what_the_suite_names(results: Results) -> None:
    names = ("continuity", "schemes", "pareto", "evaluations", "critical_difference")
    found = Results(synthetic.suite(figures=names), results.runs, results.frame)
    drawn, missing = catalogue.requests(found)
    # No run was measured on the way, so there is no curve of the held-out loss and no profile, and no complaint.
    assert set(drawn) == {*catalogue.standard_names(), *names} - {"learning", "profiles"}
    assert missing == ()
    assert "zigzag: 1 " in drawn["schemes"].draw().alternative
    # The sampler is Euler's with 50 steps and no guidance: 50 evaluations.
    assert "sweep-1: 50 " in drawn["evaluations"].draw().alternative


def test_the_catalogue_says_why_a_figure_is_not_there(results: Results) -> None:
    found = Results(synthetic.suite(figures=("position_scan", "scaling", "nonsense")), results.runs, results.frame)
    _, missing = catalogue.requests(found)
    text = " ".join(missing)
    assert "a grid needs two axes" in text
    assert "two sizes" in text
    assert "“nonsense”, which is unknown" in text


def test_two_axes_make_a_grid_and_sizes_a_slope(tmp_path: Path) -> None:
    position = grid("position", ["none", "learned"])
    arms = Axis("arm", {arm: synthetic.point(arm) for arm in ("sweep-1", "zigzag-8")})
    suite = synthetic.suite(axes=(arms, position), figures=("position_scan",), contrasts=())
    cells = synthetic.cells(suite)
    for cell in cells[:3]:
        synthetic.record(cell, tmp_path, synthetic.measurements(cell, 0.5), log=False)
    drawn, _ = catalogue.requests(join(suite, cells, tmp_path))
    assert "sweep-1, none: 0.5" in drawn["position_scan"].draw().alternative
    assert "zigzag-8, learned: no result" in drawn["position_scan"].draw().alternative

    sides = grid("backbone.patch", [1, 2, 4], "patch")
    suite = synthetic.suite(axes=(arms, sides), figures=("scaling",), metrics=("held_out_loss",), contrasts=())
    cells = synthetic.cells(suite)
    for cell in cells:
        tokens = cell.spec.geometry.tokens
        synthetic.record(cell, tmp_path, synthetic.measurements(cell, 1e-3 * tokens**1.5), log=False)
    drawn, _ = catalogue.requests(join(suite, cells, tmp_path))
    assert drawn["scaling-held_out_loss"].draw().alternative.count("exponent +1.50") == 2


def test_figures_drawn_in_parallel_are_those_drawn_one_by_one(tmp_path: Path) -> None:
    pair = [Point("a", 1, estimate(1)), Point("b", 2, estimate(2))]
    requests = {name: registry.request(trends.scatter, pair, "X", "fid", name) for name in ("one", "two", "three")}
    pictures = figures.draw_all(requests, tmp_path, "2 of 2 runs.")
    assert list(pictures) == list(requests)
    for name, request in requests.items():
        drawing = request.draw()
        assert pictures[name].svg == figures.inline_svg(drawing, figures.save(replace(drawing, name="alone"), tmp_path))
        assert pictures[name].caption.endswith("2 of 2 runs.")
        assert {path.suffix for path in tmp_path.glob(f"{name}.*")} == {".svg", ".png", ".pdf"}
        assert "2 of 2 runs." in (tmp_path / f"{name}.svg").read_text()


def test_a_figure_is_one_registered_function(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.FIGURES, "mine", registry.FIGURES["effects"])  # Taken out again after the test.
    del registry.FIGURES["mine"]

    @registry.figure("mine")
    def mine(found: Results) -> figures.FigureRequest:
        """Arms over their place in the suite."""
        return figures.request(
            trends.scatter, [Point(arm, i, estimate(i)) for i, arm in enumerate(found.arms)], "X", "fid", "mine"
        )

    suite = synthetic.suite(figures=("mine",))
    requests, problems = catalogue.requests(Results(suite, results.runs, results.frame))
    assert problems == ()
    assert requests["mine"].draw().name == "mine"
    assert registry.FIGURES["mine"].summary == "Arms over their place in the suite."
    with pytest.raises(ValueError, match="two figures are called 'mine'"):
        registry.figure("mine")(mine)
