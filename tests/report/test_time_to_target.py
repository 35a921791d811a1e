"""Time to target: the first step at or beyond the level, censored runs, what was spent, and profiles."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import synthetic
from along import CURVES, recorded

from zigbench.records.record import Measurement
from zigbench.report.results import join
from zigbench.report.time_to_target import (
    TRAINING_PASSES,
    profile_ratios,
    profile_table,
    reached,
    target_tables,
    targets,
)
from zigbench.suite import Axis, expand, grid


def cells_of(table) -> dict[str, dict[str, str]]:
    titles = [column.title for column in table.columns]
    return {row[0].text: dict(zip(titles, (entry.text for entry in row), strict=True)) for row in table.rows}


def test_the_target_is_the_linear_map_and_a_run_that_never_reaches_it_is_censored(tmp_path: Path) -> None:
    results = recorded(tmp_path, CURVES)
    assert targets(results, "held_out_loss") == ("best linear map", {"0": 0.6, "1": 0.6, "2": 0.6})
    (table,) = target_tables(results)
    shown = cells_of(table)
    good, bad = shown["zigzag-8"], shown["zigzag-1"]
    assert (good["Reached"], good["Median steps"], good["Steps of each run"]) == ("3/3", "60", "60, 60, 60")
    assert (bad["Reached"], bad["Median steps"], bad["Steps of each run"]) == ("0/3", "> 120", "> 120, > 120, > 120")
    assert (good["Median images"], bad["Median images"]) == ("1,920", "> 3,840")  # 32 a step.
    assert (good["Best so far"], good["Last"]) == ("0.4000", "0.4000")


def test_images_flops_and_seconds_are_those_of_the_steps(tmp_path: Path) -> None:
    results = recorded(tmp_path, CURVES)
    for run in results.runs:
        lines = [{"step": 40, "seconds": 1.0}, {"step": 80, "seconds": 2.0}, {"step": 120, "seconds": 5.0}]
        (tmp_path / run.id / "telemetry.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    way = reached(results, "held_out_loss")
    spec = results.runs[0].cell.spec
    for arm, steps, seconds in (("zigzag-8", 60, 1.5), ("zigzag-1", 120, 5.0)):
        for run in way[arm]:
            assert run.spent["images"] == 32 * steps
            assert 1e12 * run.spent["TFLOPs"] == pytest.approx(
                TRAINING_PASSES * spec.cost(spec.geometry).flops * 32 * steps, rel=0.2
            )
            assert run.spent["seconds"] == pytest.approx(seconds)
            assert run.censored == (arm == "zigzag-1")


def test_without_telemetry_seconds_are_unknown_and_the_rest_stands(tmp_path: Path) -> None:
    (table,) = target_tables(recorded(tmp_path, CURVES))
    assert {row["Median seconds"] for row in cells_of(table).values()} == {"–"}


def test_the_best_on_the_way_stands_beside_the_last(tmp_path: Path) -> None:
    curves = {"zigzag-8": {30: 0.7, 60: 0.3, 120: 0.5}, "zigzag-1": {30: 0.9, 60: 0.8, 120: 0.65}}
    (table,) = target_tables(recorded(tmp_path, curves))
    assert [cells_of(table)["zigzag-8"][title] for title in ("Best so far", "Last")] == ["0.3000", "0.5000"]


def test_a_metric_without_a_linear_map_has_the_baseline_as_its_target_in_either_direction(tmp_path: Path) -> None:
    curves = {"zigzag-8": {30: 0.2, 120: 0.5}, "zigzag-1": {30: 0.6, 120: 0.7}}
    arms = Axis("arm", {arm: synthetic.point(arm) for arm in curves})
    suite = synthetic.suite(axes=(arms, grid("seed", [0, 1])), contrasts=(), metrics=("recognised",))
    for cell in expand(suite):
        of = curves[cell.labels["arm"]]
        figures = (
            Measurement(name="recognised", value=value, higher_is_better=True, step=None if step == 120 else step)
            for step, value in of.items()
        )
        synthetic.record(cell, tmp_path, tuple(figures), log=False)
    results = join(suite, list(expand(suite)), tmp_path)
    assert targets(results, "recognised") == ("mean of zigzag-8, finished", {"0": 0.5, "1": 0.5})
    steps = {arm: [run.steps for run in runs] for arm, runs in reached(results, "recognised").items()}
    assert steps == {"zigzag-8": [120, 120], "zigzag-1": [30, 30]}
    table = profile_table(profile_ratios(results))
    assert cells_of(table)["zigzag-1"] == {
        "Arm": "zigzag-1",
        **dict.fromkeys([c.title for c in table.columns[1:]], "100%"),
    }
    assert cells_of(table)["zigzag-8"]["≤ 2×"] == "0%"
    assert cells_of(table)["zigzag-8"]["≤ 4×"] == "100%"


def test_what_no_arm_solves_counts_against_all(tmp_path: Path) -> None:
    never = {arm: dict.fromkeys((30, 120), 0.9) for arm in CURVES}
    results = recorded(tmp_path, never)
    assert all(math.isinf(run.steps) for runs in reached(results, "held_out_loss").values() for run in runs)
    assert {
        text for row in cells_of(profile_table(profile_ratios(results))).values() for text in list(row.values())[1:]
    } == {"0%"}
