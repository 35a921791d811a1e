"""The summary of all suites: what meets the standard has an answer and a figure; others are named with the reasons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import synthetic
from PIL import Image

from zigbench.records.record import Measurement
from zigbench.report import write_summary
from zigbench.report.answer import answer
from zigbench.report.results import Results, join
from zigbench.report.standard import shortfalls
from zigbench.report.summary import LARGEST_FIGURE
from zigbench.suite import grid

MEETS = {"data.name": "digits", "training.steps": 480, "training.batch": 32, "evaluation.triples": "strided"}
COMMAND = "zigbench report --summary"


def recorded(root: Path, base: Mapping[str, Any] = MEETS, seeds: int = 3, predictor: bool = True) -> Results:
    arm = synthetic.suite().axes[0]
    suite = synthetic.suite(base=base, axes=(arm, grid("seed", list(range(seeds)))), published=())
    linear = (Measurement(name="held_out_loss_linear", value=0.7, higher_is_better=False),) if predictor else ()
    for cell in synthetic.cells(suite):
        loss = synthetic.TRUTH[cell.labels["arm"]] + 0.02 * cell.spec.seed
        synthetic.record(cell, root, (*synthetic.measurements(cell, loss), *linear), log=False)
    return join(suite, synthetic.cells(suite), root)


def test_each_suite_has_its_question_answer_and_figure(tmp_path: Path) -> None:
    results = recorded(tmp_path / "runs")
    begun = replace(
        results,
        suite=replace(results.suite, name="begun"),
        runs=tuple(replace(r, status="missing") for r in results.runs),
    )
    suites = [(results, "zigbench report it"), (begun, "zigbench report begun")]
    page = write_summary(suites, tmp_path / "a", command=COMMAND)
    text = page.read_text()
    assert results.suite.question in text
    assert all(str(sentence) in text for sentence in answer(results))
    assert "`zigbench report it`" in text
    assert text.rstrip().splitlines()[-1].startswith("Begun: `begun` (0 of ")
    (shown,) = re.findall(r"^!\[[^\[\]\n]+\]\((.*)\)$", text, re.M)
    figure = page.parent / shown
    assert figure.stat().st_size <= LARGEST_FIGURE
    assert Image.open(figure).format == "PNG"
    again = write_summary(suites, tmp_path / "b", command=COMMAND)
    assert again.read_bytes() == page.read_bytes()
    assert (again.parent / shown).read_bytes() == figure.read_bytes()


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, ()),
        ({"predictor": False}, ("no reference predictor was recorded",)),
        ({"seeds": 2}, ("it has 2 seeds",)),
        ({"base": {**MEETS, "training.steps": 120}}, ("networks were trained for 120 steps",)),
        (
            {"base": {key: value for key, value in MEETS.items() if key != "evaluation.triples"}},
            ("the held-out triples do not cover the held-out images evenly",),
        ),
    ],
)
def test_the_standard_is_a_rule_over_the_records(
    changes: dict[str, Any], reasons: tuple[str, ...], tmp_path: Path
) -> None:
    assert shortfalls(recorded(tmp_path, **changes)) == reasons


def test_what_does_not_meet_the_standard_is_not_shown_as_a_result(tmp_path: Path) -> None:
    results = recorded(tmp_path / "runs", predictor=False)
    stale = tmp_path / "out/figures/squares.png"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"")
    text = write_summary([(results, "zigbench report it")], tmp_path / "out", command=COMMAND).read_text()
    assert (
        "- `squares`, 21 of 21 runs finished: no reference predictor was recorded. `zigbench report it`"
        in text.splitlines()
    )
    assert not [sentence for sentence in answer(results) if str(sentence) in text]
    assert "![" not in text
    assert not stale.exists()


def test_a_suite_that_is_a_part_of_another_is_not_shown_twice(tmp_path: Path) -> None:
    results = recorded(tmp_path / "runs")
    missing = replace(results.runs[0], status="missing", record=None, cell=synthetic.cells(synthetic.suite())[0])
    larger = replace(results, suite=replace(results.suite, name="larger"), runs=(*results.runs, missing))
    text = write_summary([(larger, "l"), (results, "s")], tmp_path / "out", command=COMMAND).read_text()
    assert re.findall(r"^## (.*)$", text, re.M) == ["squares"]
    assert text.rstrip().endswith("Begun: `larger` (21 of 22 runs finished, 1 missing).")
