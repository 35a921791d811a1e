"""A run's own page."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic
import synthetic_speed

from zigbench.records.record import Measurement
from zigbench.report import run_page, tables
from zigbench.report.results import join


@pytest.mark.parametrize(
    ("suite", "heading"),
    [(synthetic.suite(), "95 % interval"), (synthetic_speed.suite(), "Range of 90 % of the calls")],
)
def test_the_interval_of_a_figure_is_called_what_it_is(suite, heading: str, tmp_path: Path) -> None:
    cell = synthetic.cells(suite)[0]
    synthetic.record(cell, tmp_path, (Measurement(name="figure", value=2.0, interval=(1.5, 2.5)),))
    (tmp_path / "pages").mkdir()
    found = join(suite, [cell], tmp_path)
    (identity,) = run_page.write_all(found, tmp_path / "pages")
    page = (tmp_path / "pages" / f"{identity}.html").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    headings = {name for name in ("95 % interval", "Range of 90 % of the calls") if name in page}
    assert headings == {heading}
    assert "1.500 to 2.500" in page
    (note,) = [note for note in tables.result_table(found).notes if "In square brackets" in note]
    assert heading.lower() in note
