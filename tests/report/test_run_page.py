"""A run's own page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
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


def test_samples_along_the_training_stand_in_its_order_above_those_of_the_finished_network(tmp_path: Path) -> None:
    suite = synthetic.suite(base={"data.name": "digits", "training.steps": 120, "evaluation.at": [15, 60]})
    cell = synthetic.cells(suite)[0]
    synthetic.record(cell, tmp_path, (Measurement(name="figure", value=2.0),))
    grey = np.zeros((4, 1, 8, 8), dtype=np.uint8)
    for name in ("samples.npy", "samples-15.npy", "samples-60.npy"):
        np.save(tmp_path / cell.spec.id / name, grey)
    (tmp_path / "pages").mkdir()
    (identity,) = run_page.write_all(join(suite, [cell], tmp_path), tmp_path / "pages")
    page = (tmp_path / "pages" / f"{identity}.html").read_text(encoding="utf-8")
    places = [page.index(f">{name}</p>") for name in ("Step 15", "Step 60", "The finished network")]
    assert places == sorted(places)
