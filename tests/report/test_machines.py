"""The same runs on several machines: paired with themselves, under like protocols alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic

from zigbench.records.folder import RunFolder
from zigbench.records.record import Measurement, Record
from zigbench.report.machines import machines_table, repeated_figures
from zigbench.report.results import Results, join
from zigbench.suite import Axis, expand, grid

ARMS = ("zigzag-8", "zigzag-1")


def recorded(root: Path, shift: float, protocols: tuple[str, str] = ("p", "p")) -> Results:
    """Two arms and three seeds on machine A, the first two seeds on B too, where all figures lie higher."""
    arms = Axis("arm", {arm: synthetic.point(arm) for arm in ARMS})
    suite = synthetic.suite(axes=(arms, grid("seed", [0, 1, 2])), contrasts=(), metrics=("held_out_loss",))
    cells = list(expand(suite))
    for place, (machine, protocol) in enumerate(zip("AB", protocols, strict=True)):
        for position, cell in enumerate(cells):
            if place and cell.labels["seed"] == "2":
                continue
            run = RunFolder.of(cell.spec, root / machine)
            run.submit(cell.spec)
            value = 0.5 + position / 10 + place * shift * (1 + position % 3)
            figure = Measurement(name="held_out_loss", value=value, higher_is_better=False, protocol=protocol)
            machines = {"machine": {"cpu": machine, "cores": 2}}
            record = Record(
                id=run.id, status="ok", spec=cell.spec.resolved(), measurements=(figure,), environment=machines
            )
            record.write(run.record)
    return join(suite, cells, [root / "A", root / "B"])


def test_each_run_is_compared_with_itself(tmp_path: Path) -> None:
    results = recorded(tmp_path, 0.01)
    table, left_out = repeated_figures(results, "held_out_loss")
    assert (len(table), left_out) == (4, 0)
    shown = machines_table(results)
    for row, first in zip(shown.rows, (0.5, 0.8), strict=True):
        assert row[2].text == "A · 2 cores and B · 2 cores"
        assert row[3].text == "2"  # The seeds that both have.
        values = [entry.value for entry in row[4:]]
        assert values == pytest.approx([first + 0.05, first + 0.065, 0.015, 0.02])


def test_figures_under_another_protocol_are_left_out_and_counted(tmp_path: Path) -> None:
    results = recorded(tmp_path, 0.01, ("p", "q"))
    assert repeated_figures(results, "held_out_loss")[1] == 4
    assert machines_table(results) is None


def test_one_machine_has_no_such_table(tmp_path: Path) -> None:
    results = recorded(tmp_path, 0.0)  # Equal records are one.
    alone = join(results.suite, [run.cell for run in results.runs], tmp_path / "A")
    assert machines_table(alone) is None
