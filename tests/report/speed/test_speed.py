"""Speeds against laws that the records were made by."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic_speed as synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from zigbench.report.answer import answer
from zigbench.report.figures import catalogue
from zigbench.report.published.figures import Figure
from zigbench.report.results import Results, join
from zigbench.report.speed import comparison, outcomes, series, tables
from zigbench.report.statistics import crossover, power_law
from zigbench.suite import Axis, expand, grid

SIZES = [64.0, 256.0, 1024.0, 4096.0]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("runs")
    suite = synthetic.suite()
    return join(suite, synthetic.populate(root, suite), root)


@settings(max_examples=50, deadline=None)
@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(70, 4000), st.floats(0.1, 10))
def test_power_laws_cross_where_they_are_equal(p: float, q: float, at: float, scale: float) -> None:
    a, b = ([scale * (n / at) ** power for n in SIZES] for power in (p, q))
    crossed = crossover(SIZES, a, b)
    if abs(p - q) < 1e-3:
        return
    assert (crossed is None) == (p < q)
    if crossed is not None:
        assert crossed == pytest.approx(at, rel=1e-6)
        assert crossover(SIZES[::-1], a[::-1], b[::-1]) == pytest.approx(at, rel=1e-6)


@pytest.mark.parametrize(
    ("a", "b"),
    [([2, 2, 2, 2], [1, 1, 1, 1]), ([1, 1, 1, 1], [2, 2, 2, 2]), ([3, 3, 3, 1], [2, 2, 2, 2]), ([1, 1, 1, 1], [1] * 4)],
)
def test_no_crossing_within_the_grid_is_none(a: list[float], b: list[float]) -> None:
    assert crossover(SIZES, a, b) is None


def test_the_last_crossing_counts_and_gaps_are_left_out() -> None:
    crossed = crossover(SIZES, [1, 4, 1, 4], [2, 2, 2, 2])
    assert crossed is not None
    assert 1024 < crossed < 4096
    assert crossover([64, 256, 1024], [1, math.nan, 4], [2, 9, 2]) == pytest.approx(256)


def test_an_exact_law_has_an_interval_of_no_width() -> None:
    law = power_law(SIZES, [3 * n**2 for n in SIZES])
    assert (law.exponent, law.low, law.high) == pytest.approx((2, 2, 2))
    assert math.isnan(power_law([1, 2], [1, 2]).low)


def test_lines_follow_their_laws_and_name_unlike_kernels(found: Results) -> None:
    made = series.lines(found, series.PATCHES, "fps")
    assert [(line.label, line.mode) for line in made] == [
        (label, mode)
        for label in ("zigma (numba)", "parallel (reference)", "dit")
        for mode in ("inference", "training")
    ]
    for line in made:
        law = power_law([point.x for point in line.measured], [point.y.mean for point in line.measured])
        assert law.low < law.exponent < law.high
        assert law.exponent < -1.2 if line.label == "dit" else law.exponent == pytest.approx(-1, abs=0.02)
        assert line.scans == (line.label != "dit")
    unfit = [(line.label, line.mode, point.x) for line in made for point in line.points if not point.fits]
    assert unfit == [("dit", "training", 4096)]
    doubtful = [(line.label, line.mode, p.x, p.doubts) for line in made for p in line.points if p.doubts]
    assert doubtful == [("zigma (numba)", "inference", 256, ("disturbed (too hot)",))]


def test_cells_of_unlike_kernels_are_never_joined(found: Results) -> None:
    def slow(run: object) -> bool:
        return run.cell.labels["arm"] == "zigma" and run.cell.labels["grid"] in ("32×32", "64×64")  # type: ignore[attr-defined]

    runs = tuple(
        replace(
            run, record=run.record.model_copy(update={"environment": {**run.record.environment, "kernel": "triton"}})
        )
        if slow(run) and run.record
        else run
        for run in found.runs
    )
    made = series.lines(replace(found, runs=runs), series.PATCHES, "fps")
    zigma = {line.label: [point.x for point in line.points] for line in made if line.mode == "inference" and line.scans}
    assert zigma == {"zigma (numba)": [64, 256], "zigma (triton)": [1024, 4096], "parallel (reference)": SIZES}


def test_the_answer_tells_slopes_and_the_crossover(found: Results) -> None:
    said = [str(sentence) for sentence in answer(found)]
    assert said[0].startswith("zigma (numba) against dit, inference: faster from about 5")
    assert "at the largest size only zigma (numba) fits" in said[0]
    # At 1,024 patches: 4 MB + 10.24 MB against those and 2 B a pair more.
    assert "0.872 times the memory" in said[0]
    assert said[1].startswith("Over 64 to 4,096 patches, speed scales with their number to the power −1.00")
    crossing = [c.crossover for c in comparison.comparisons(found) if c.scan == "zigma (numba)"]
    assert all(at == pytest.approx(synthetic.CROSSING, rel=0.15) for at in crossing)


def test_no_crossover_is_said_as_such(tmp_path: Path) -> None:
    suite = synthetic.suite(
        axes=(
            *synthetic.suite().axes[:1],
            *synthetic.suite().axes[2:],
        )
    )
    sizes = Axis("grid", {f"{n}×{n}": {"data.config.height": n, "data.config.width": n} for n in (4, 8)})
    suite = replace(suite, axes=(suite.axes[0], sizes, *suite.axes[1:]))
    said = [str(s) for s in answer(join(suite, synthetic.populate(tmp_path, suite), tmp_path))]
    assert said[0].startswith("zigma (numba) against dit, inference: not faster within the grid (at 64, ")


def test_a_disturbed_machine_is_warned_of(tmp_path: Path) -> None:
    arms, sizes, *_ = synthetic.suite().axes
    suite = synthetic.suite(axes=(arms, sizes, grid("seed", [0])))
    cells = list(expand(suite))
    for place, cell in enumerate(cells):
        synthetic.record(
            replace(cell, labels={**cell.labels, "mode": "inference"}), tmp_path, disturbed="too hot" * (place % 2)
        )
    said = [str(sentence) for sentence in answer(join(suite, cells, tmp_path))]
    assert said[-1].startswith(
        "6 of 12 cells are in doubt (disturbed, never steady, or with rounds more than 5 % apart"
    )


def test_tables_say_what_does_not_fit_and_what_was_disturbed(found: Results) -> None:
    table = tables.cell_table(found, series.PATCHES)
    titles = [column.title for column in table.columns]
    cells = {(r[1].text, r[0].text, r[2].text): dict(zip(titles, r, strict=True)) for r in table.rows}
    unfit = cells["dit", "Forward and backward", "4,096"]
    assert (unfit["FPS (images/s)"].text, unfit["State"].text) == ("does not fit", "does not fit, > 8 GiB")
    assert cells["zigma (numba)", "Inference", "256"]["State"].text == "disturbed (too hot)"
    assert {entry["Precision"].text for entry in cells.values()} == {"float32"}
    assert any("the largest number of patches that fits is 3,136" in note for note in table.notes)
    crossings = tables.crossover_table(found)
    assert crossings is not None
    assert {row[1].text for row in crossings.rows} == {"zigma (numba)", "parallel (reference)"}


def test_two_rounds_are_told_as_their_range_and_marked_where_they_disagree(tmp_path: Path) -> None:
    arms, sizes, *_ = synthetic.suite().axes
    sizes = Axis("grid", dict(list(sizes.points.items())[:2]))
    suite = synthetic.suite(axes=(arms, sizes, grid("seed", [0, 1])), figures=("throughput",))
    cells = list(expand(suite))
    slow = {"zigma": 1.5, "parallel": 1.04, "dit": 1.2}
    for cell in cells:
        second, arm = cell.spec.seed == 1, cell.labels["arm"]
        synthetic.record(
            replace(cell, labels={**cell.labels, "mode": "inference"}), tmp_path, noise=slow[arm] if second else 1.0,
            disturbed="too hot" if second and arm == "dit" else "", steady=arm != "parallel",
        )  # fmt: skip
    found = join(suite, cells, tmp_path)
    table = tables.cell_table(found, series.PATCHES)
    titles = [column.title for column in table.columns]
    cell = {row[1].text: dict(zip(titles, row, strict=True)) for row in table.rows if row[2].text == "64"}
    # 1 / (64 · 1e-5) images a second, and two thirds of that.
    assert cell["zigma (numba)"]["FPS (images/s)"].text == "1,302 (1,042 to 1,562)"
    assert {label: (row["Spread of rounds"].text, row["State"].text) for label, row in cell.items()} == {
        "zigma (numba)": ("50.0 %", "rounds 50.0 % apart (reason unknown)"),
        "parallel (reference)": ("4.0 %", "never steady"),
        "dit": ("20.0 %", "disturbed (too hot), rounds 20.0 % apart"),
    }
    drawn = catalogue.requests(found)[0]["throughput"].draw()
    (axes,) = drawn.figure.axes
    bars = [line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 2 and len(set(line.get_xdata())) == 1]
    assert len(bars) == 6  # Every cell's, however far it reaches.
    assert max(high / low for low, high in bars) == pytest.approx(1.5)
    hollow = [line for line in axes.lines if line.get_gid() and line.get_markerfacecolor() != line.get_color()]
    assert len(hollow) == 6
    assert "Bars: the range of the rounds." in drawn.caption


def test_every_figure_of_speed_is_drawn_and_says_its_slopes(found: Results) -> None:
    asked, missing = catalogue.requests(found)
    assert list(asked) == ["throughput", "memory", "memory_kinds", "roofline"]
    assert missing == ()
    drawn = {name: figure.draw() for name, figure in asked.items()}
    assert "zigma (numba): 64 1," in drawn["throughput"].alternative
    assert "4,096 does not fit" in drawn["throughput"].alternative
    assert "exponent −1.00" in drawn["throughput"].alternative
    assert "Hollow" in drawn["throughput"].caption
    assert "copying 20 GB/s" in drawn["roofline"].alternative
    assert [axes.get_title(loc="left") for axes in drawn["memory_kinds"].figure.axes] == [
        "Parameters", "Gradients", "Activations", "Allocated",
    ]  # fmt: skip


def test_a_kind_of_memory_that_inference_does_not_use_is_no_panel(tmp_path: Path) -> None:
    arms, grids, _, _ = synthetic.suite().axes
    axes = (arms, grids, grid("efficiency.mode", ["inference"], "mode"), grid("seed", [0]))
    suite = synthetic.suite(axes=axes)
    cells = synthetic.populate(tmp_path, suite)
    drawn = catalogue.requests(join(suite, cells, tmp_path))[0]["memory_kinds"].draw()
    titles = [axes.get_title(loc="left") for axes in drawn.figure.axes]
    assert titles == ["Parameters", "Activations", "Allocated"]


def test_speed_over_directions(tmp_path: Path) -> None:
    arms = {f"zigma-{n}": {"backbone.name": "zigma", "scan.schemes": n} for n in (1, 2, 4)}
    arms |= {f"parallel-{n}": {"backbone.name": "parallel", "scan.schemes": n} for n in (1, 2, 4)}
    suite = synthetic.suite(axes=(Axis("arm", arms), grid("seed", [0])), figures=("throughput_orf",))
    cells = list(expand(suite))
    for cell in cells:
        factor = cell.spec.scan.schemes if cell.spec.backbone.name == "parallel" else 1  # type: ignore[union-attr]
        labels = {"arm": cell.spec.backbone.name, "mode": "inference"}
        synthetic.record(replace(cell, labels=labels), tmp_path, noise=float(factor))
    found = join(suite, cells, tmp_path)
    (said,) = answer(found)
    assert str(said) == (
        "From 1 to 4 directions, inference: the speed is multiplied by 1 for zigma (numba) "
        "and 0.250 for parallel (reference)."
    )
    drawn = catalogue.requests(found)[0]["throughput_orf"].draw()
    assert "directions" in drawn.alternative


def test_speed_over_the_batch_tells_the_largest_that_fits(tmp_path: Path) -> None:
    arms, *_ = synthetic.suite().axes
    batches = grid("efficiency.batch", (1, 4, 16), "batch")
    suite = synthetic.suite(axes=(arms, batches, grid("seed", [0])), figures=("throughput_batch",))
    cells = list(expand(suite))
    for cell in cells:
        # A call takes the same whatever the batch of zigma, and in proportion for the others.
        n, arm = int(cell.labels["batch"]), cell.labels["arm"]
        noise = 1 / n if arm == "zigma" else 1.0
        fits = n < 16 or arm == "parallel"
        labelled = replace(cell, labels={**cell.labels, "mode": "inference"})
        synthetic.record(labelled, tmp_path, noise=noise, fits=fits, largest={"batch": 9})
    found = join(suite, cells, tmp_path)
    ratios, most = map(str, answer(found))
    # Over the batches that all of them fit at.
    assert ratios.startswith("From a batch of 1 to one of 4, inference: the speed is multiplied by 4 for zigma (numba)")
    assert most == (
        "The largest batch that fits, inference: 9 for zigma (numba), at least 16 for parallel (reference) and 9 for "
        "dit."
    )
    table = tables.exponent_table(found, series.SWEPT_SIZES["throughput_batch"])
    assert table is not None
    exponents = {row[1].text: row[2].text for row in table.rows}
    assert (exponents["zigma (numba)"], exponents["dit"]) == ("+1.00", "+0.00")
    assert "0 where the cost is in proportion, +1 where another image costs nothing" in table.notes[0]


def test_speeds_at_one_size_are_ranked(tmp_path: Path) -> None:
    arms, _, *_ = synthetic.suite().axes
    suite = synthetic.suite(axes=(arms, grid("seed", [0])), figures=("throughput_sampling",))
    cells = list(expand(suite))
    for cell in cells:
        synthetic.record(replace(cell, labels={**cell.labels, "mode": "inference"}), tmp_path)
    (said,) = answer(join(suite, cells, tmp_path))
    assert str(said).startswith("Inference, at 50 network evaluations: 97.7 images/s for zigma (numba), 68.6 images/s")


def test_a_suite_of_nothing_measured_says_so(tmp_path: Path) -> None:
    suite = synthetic.suite()
    cells = list(expand(suite))
    synthetic.record(cells[0], tmp_path, fits=False)
    found = join(suite, cells, tmp_path)
    assert "There is no answer yet" in str(answer(found)[0])
    drawn, missing = catalogue.requests(found)
    assert drawn == {}
    assert any("no run has measured fps" in text for text in missing)


@pytest.mark.parametrize(
    ("patches", "inference", "training"),
    [
        (4096, "fits at 4,096 patches", "runs out of memory at 4,096 patches"),
        (1024, "fits at 1,024 patches", "fits at 1,024 patches"),
        (38416, "not measured at 38,416 patches; fits at 4,096", "runs out of memory at 4,096 patches"),
    ],
)
def test_a_published_lack_of_memory_stands_beside_the_sizes_that_fit_here(
    found: Results, patches: int, inference: str, training: str
) -> None:
    stated = Figure("f", "a paper", "an A100", "64", "dit", outcomes.OUT_OF_MEMORY, patches, "", "outcome")
    assert outcomes.outcome_table(found, [stated]) is None, "the suite names no such table"
    naming = replace(found, suite=replace(found.suite, published=("f",)))
    table = outcomes.outcome_table(naming, [stated])
    assert table is not None
    rows = {row[1].text: row for row in table.rows}
    assert rows["Inference"][3].text == inference
    assert rows["Forward and backward"][3].text.startswith(training)
    assert {row[0].text for row in table.rows} == {"dit"}
    assert all("runs out of memory at" in row[2].text and row[4].text == "a paper" for row in table.rows)
