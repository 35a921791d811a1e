"""Reference predictors on a page: rows, differences and verdicts are those of the records' numbers, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import synthetic

from zigbench.records.record import Measurement
from zigbench.report import predictors, tables
from zigbench.report.answer import answer
from zigbench.report.figures import catalogue
from zigbench.report.results import Results, join
from zigbench.suite import Axis, Suite, grid

LEVELS = {"zero": 1.7, "pixelwise": 0.75, "brightness": 1.2, "linear": 0.6}
"""Levels on the made-up records."""


def recorded(root: Path, losses: Mapping[str, tuple[float, ...]], suite: Suite | None = None) -> Results:
    """Record made-up losses by arm, one a seed, each with the four predictors beside it."""
    of = suite or synthetic.suite(
        axes=(Axis("arm", {arm: synthetic.point(arm) for arm in losses}), grid("seed", [0, 1, 2])), contrasts=()
    )
    cells = synthetic.cells(of)
    for cell in cells:
        loss = losses[cell.labels["arm"]][int(cell.labels["seed"].rpartition(" ")[2])]
        beside = tuple(
            Measurement(name=f"held_out_loss_{name}", value=level, higher_is_better=False)
            for name, level in LEVELS.items()
        )
        synthetic.record(cell, root, (*synthetic.measurements(cell, loss), *beside), log=False)
    return join(of, cells, root)


BELOW, ABOVE, AT = (0.40, 0.41, 0.42), (0.65, 0.66, 0.67), (0.55, 0.60, 0.66)


def test_the_lowest_predictor_comes_first_and_each_arm_has_its_side(tmp_path: Path) -> None:
    results = recorded(tmp_path, {"zigzag-8": BELOW, "zigzag-1": ABOVE, "zigzag-2": AT})
    found = predictors.predictors(results, "held_out_loss")
    assert [p.name for p in found] == ["linear", "pixelwise", "brightness", "zero"]
    assert [p.level for p in found] == sorted(LEVELS.values())
    sides = {arm: [p.side(arm) for p in found] for arm in results.arms}
    assert sides["zigzag-8"] == ["below"] * 4
    assert sides["zigzag-1"] == ["not below", "below", "below", "below"]
    assert sides["zigzag-2"] == ["not separated", "below", "below", "below"]
    assert found[0].differences["zigzag-8"].mean == pytest.approx(0.41 - 0.6)


def test_the_answer_names_the_arms_that_are_not_below_the_linear_map(tmp_path: Path) -> None:
    results = recorded(tmp_path, {"zigzag-8": BELOW, "zigzag-1": ABOVE})
    text = str(answer(results)[-1])
    assert text.startswith("1 of 2 arms beat every reference predictor (best linear map 0.600, ")
    assert "zigzag-8. Not below the best linear map: zigzag-1 (below zero, mean brightness" in text


def test_an_answer_about_arms_that_all_beat_them_or_do_not(tmp_path: Path) -> None:
    every = recorded(tmp_path / "a", {"zigzag-8": BELOW, "zigzag-1": BELOW})
    assert str(answer(every)[-1]).startswith("All 2 arms beat every reference predictor (")
    none = recorded(tmp_path / "b", {"zigzag-8": ABOVE, "zigzag-1": AT})
    text = str(answer(none)[-1])
    assert text.startswith("No arm beats the best linear map (")
    assert "do no better than the images' first two moments allow" in text


def test_a_record_without_predictors_has_none_and_the_page_says_so(results: Results) -> None:
    assert predictors.predictors(results, "held_out_loss") == ()
    assert predictors.predictor_table(results) is None
    assert str(answer(results)[-1]) == "No reference predictor was recorded beside these networks."
    assert not [row for row in tables.result_table(results).rows if row[0].text.startswith("Reference")]


def test_the_results_have_a_row_for_each_predictor_and_none_is_an_arm_or_a_metric(tmp_path: Path) -> None:
    results = recorded(tmp_path, {"zigzag-8": BELOW, "zigzag-1": ABOVE})
    rows = tables.result_table(results).rows
    assert [(row[0].text, row[2].value) for row in rows[2:]] == [
        ("Reference: best linear map", 0.6),
        ("Reference: each pixel by itself", 0.75),
        ("Reference: mean brightness and two variances", 1.2),
        ("Reference: zero", 1.7),
    ]
    assert results.arms == ("zigzag-8", "zigzag-1")
    assert not any("linear" in metric for metric in results.metrics)


def test_the_effects_have_lines_at_the_levels_minus_the_baseline(tmp_path: Path) -> None:
    results = recorded(tmp_path, {"zigzag-8": BELOW, "zigzag-1": ABOVE})
    levels = predictors.levels_against(results, "held_out_loss", "zigzag-8")
    assert levels == pytest.approx({"best linear map": 0.19, "each pixel by itself": 0.34,
                                    "mean brightness and two variances": 0.79, "zero": 1.29})  # fmt: skip
    drawing = catalogue.requests(results)[0]["effects"].draw()
    assert "Dashed: reference predictors" in drawing.caption
    assert "Outside the figure: mean brightness and two variances +0.79 and zero +1.29." in drawing.caption


def test_each_data_set_has_predictors_and_a_verdict_of_its_own(tmp_path: Path) -> None:
    blocks = Axis(
        "seed",
        {f"digits, {s}": {"seed": s} for s in range(3)}
        | {f"photographs, {s}": {"seed": s, "data": {"name": "photographs", "config": {"size": 16}}} for s in range(3)},
    )
    suite = synthetic.suite(axes=(Axis("arm", {a: synthetic.point(a) for a in ("zigzag-8", "zigzag-1")}), blocks))
    results = recorded(tmp_path, {"zigzag-8": BELOW, "zigzag-1": ABOVE}, suite)
    parts = results.parts
    assert list(parts) == ["digits", "photographs"]
    assert {p.data for p in predictors.predictors(parts["digits"], "held_out_loss")} == {"digits"}
    starts = [str(sentence)[:20] for sentence in answer(results)[-2:]]
    assert starts == ["On digits, 1 of 2 ar", "On photographs, 1 of"]
