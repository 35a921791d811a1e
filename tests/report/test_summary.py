"""The summary of all suites: every question with its answer and one small figure, the same each time."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from PIL import Image

from zigbench.report import write_summary
from zigbench.report.answer import answer
from zigbench.report.results import Results
from zigbench.report.summary import LARGEST_FIGURE


def test_each_suite_has_its_question_answer_and_figure(results: Results, tmp_path: Path) -> None:
    begun = replace(
        results,
        suite=replace(results.suite, name="begun"),
        runs=tuple(replace(r, status="missing") for r in results.runs),
    )
    suites = [(results, "zigbench report it"), (begun, "zigbench report begun")]
    page = write_summary(suites, tmp_path / "a", command="zigbench report --summary")
    text = page.read_text()
    assert results.suite.question in text
    assert all(str(sentence) in text for sentence in answer(results))
    assert "`zigbench report it`" in text
    assert text.rstrip().splitlines()[-1].startswith("Begun: `begun` (0 of ")
    (shown,) = re.findall(r"^!\[[^\[\]\n]+\]\((.*)\)$", text, re.M)
    figure = page.parent / shown
    assert figure.stat().st_size <= LARGEST_FIGURE
    assert Image.open(figure).format == "PNG"
    again = write_summary(suites, tmp_path / "b", command="zigbench report --summary")
    assert again.read_bytes() == page.read_bytes()
    assert (again.parent / shown).read_bytes() == figure.read_bytes()
