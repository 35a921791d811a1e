"""Effects along a growing setting, on made-up runs with known answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic
from along import CURVES, recorded

from zigbench.records.record import Measurement
from zigbench.report import lasting, tables
from zigbench.report.answer import answer
from zigbench.report.figures import catalogue
from zigbench.report.results import Results, join
from zigbench.report.time_to_target import target_tables
from zigbench.suite import Axis, Contrast, expand, grid, load

ARMS = ("zigzag-8", "zigzag-1", "hilbert-8")
STEPS = Axis("steps", {f"{n:,}": {"training.steps": n} for n in (1_920, 480)})
CONTRAST = Contrast("zigzag-1", "zigzag-8", "one direction", worse="W", margin=0.005)


def loss(arm: str, steps: int, seed: int) -> float:
    """Return a loss with an effect of one direction that shrinks and one of Hilbert that lasts."""
    effect = {"zigzag-8": 0.0, "zigzag-1": 0.1 if steps == 480 else 0.06, "hilbert-8": 0.01}[arm]
    return 0.4 + effect + 0.01 * seed + (0.0002 * (seed - 1) if arm != "zigzag-8" else 0.0)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    suite = synthetic.suite(
        axes=(Axis("arm", {arm: synthetic.point(arm) for arm in ARMS}), STEPS, grid("seed", [0, 1, 2])),
        contrasts=(CONTRAST,), figures=("lasting",), metrics=("held_out_loss",),
    )  # fmt: skip
    for cell in expand(suite):
        value = loss(cell.labels["arm"], cell.spec.training.steps, cell.spec.seed)
        measured = (Measurement(name="held_out_loss", value=value, higher_is_better=False),)
        synthetic.record(cell, tmp_path, measured, log=False)
    return join(suite, list(expand(suite)), tmp_path)


def test_the_series_have_the_effect_at_each_point_in_ascending_order(results: Results) -> None:
    axis = lasting.swept_axis(results)
    assert dict(axis.numbers) == {"480": 480, "1,920": 1_920}
    series = {of.name: of for of in lasting.effect_series(results, axis)}
    # The contrasts come first, then the other arms against the baseline.
    assert list(series) == ["zigzag-1 − zigzag-8", "hilbert-8 − zigzag-8"]
    means = [effect.estimate.mean for effect in series["zigzag-1 − zigzag-8"].effects.values()]
    assert means == pytest.approx([0.1, 0.06])
    assert (series["zigzag-1 − zigzag-8"].margin, series["hilbert-8 − zigzag-8"].margin) == (0.005, None)


def test_the_answer_says_which_effects_last(results: Results) -> None:
    shrinks, lasts = (str(sentence) for sentence in lasting.lasting_sentences(results))
    assert shrinks.startswith("From 480 to 1,920 steps, zigzag-1 − zigzag-8 goes from 0.1000")
    assert shrinks.endswith("it shrinks (−0.0400).")
    assert "hilbert-8 − zigzag-8" in lasts
    assert "a change is not separated" in lasts
    assert shrinks in map(str, answer(results))


def test_the_figure_of_lasting_effects_leads_the_page(results: Results) -> None:
    drawn, _ = catalogue.requests(results)
    assert catalogue.main_figure(results, drawn) == "lasting"
    drawing = drawn["lasting"].draw()
    assert "zigzag-1 − zigzag-8: 480: 0.1000" in drawing.alternative
    assert "Band: the margin of equality, ±0.005." in drawing.caption


def test_a_width_is_such_an_axis_too_and_solver_names_are_none() -> None:
    suite = load("order_width")
    cells = list(expand(suite))
    results = join(suite, cells, Path("nothing-here"))
    assert dict(lasting.swept_axis(results).numbers) == {"32": 32, "64": 64, "128": 128}
    named = synthetic.suite(axes=(*synthetic.suite().axes, Axis("solver", {s: {"sampler.solver": s} for s in "ab"})))
    assert lasting.swept_axis(Results(named, (), results.frame)) is None


def test_diagnostics_are_not_the_result_and_are_drawn_with_the_predictors(tmp_path: Path) -> None:
    results = recorded(tmp_path, CURVES)
    assert results.values("held_out_loss").loc["zigzag-8"].tolist() == [0.4] * 3
    drawn, _ = catalogue.requests(results)
    drawing = drawn["learning"].draw()
    assert "zigzag-8 0.4000 at step 120" in drawing.alternative
    assert any(text.get_text() == "best linear map" for text in drawing.figure.axes[0].texts)
    assert tables.result_table(results).rows[0][2].value == pytest.approx(0.4)


def test_runs_without_diagnostics_have_no_such_figure_and_no_complaint(results: Results) -> None:
    drawn, problems = catalogue.requests(results)
    assert "learning" not in drawn
    assert not [problem for problem in problems if "learning" in problem]
    assert list(target_tables(results)) == []
