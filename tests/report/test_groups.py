"""Contrasts by picture: closed forms of differences, intervals over pictures, and nothing where no groups were kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import synthetic
from scipy import stats

from zigbench.records.record import Measurement
from zigbench.report.answer import answer
from zigbench.report.groups import group_effect, group_table
from zigbench.report.results import Results, join
from zigbench.suite import Axis, Contrast, grid

BY_PICTURE = {"coffee": -0.03, "rocket": -0.01, "china": 0.01}
"""zigzag-8 − sweep-1 in each picture."""


def recorded(root: Path, groups: Mapping[str, float]) -> Results:
    """Record two arms on three seeds whose difference in each group is known, beside a seed's own shift."""
    contrast = Contrast("zigzag-8", "sweep-1", "eight directions", better="Directions help", neither="Nothing is seen")
    of = synthetic.suite(
        axes=(Axis("arm", {arm: synthetic.point(arm) for arm in ("zigzag-8", "sweep-1")}), grid("seed", [0, 1, 2])),
        contrasts=(contrast,),
    )
    cells = synthetic.cells(of)
    for cell in cells:
        arm, seed = cell.labels["arm"], int(cell.labels["seed"].rpartition(" ")[2])
        losses = {name: 0.5 + 0.1 * seed + (shift if arm == "zigzag-8" else 0) for name, shift in groups.items()}
        beside = tuple(Measurement(name=f"held_out_loss[{name}]", value=loss) for name, loss in losses.items())
        loss = sum(losses.values()) / len(losses) if losses else 0.5 + 0.1 * seed
        synthetic.record(cell, root, (*synthetic.measurements(cell, loss + seed * 1e-4), *beside), log=False)
    return join(of, cells, root)


def test_the_interval_over_pictures_is_the_t_interval_of_their_differences(tmp_path: Path) -> None:
    results = recorded(tmp_path, BY_PICTURE)
    effect = group_effect(results, "held_out_loss", "zigzag-8", "sweep-1")
    assert effect is not None
    assert effect.differences == pytest.approx(BY_PICTURE)
    assert effect.alike == 2
    # Mean −0.01 and deviation 0.02 of three pictures.
    assert effect.estimate.mean == pytest.approx(-0.01)
    assert effect.estimate.half == pytest.approx(stats.t.ppf(0.975, 2) * 0.02 / math.sqrt(3))


def test_the_table_has_a_column_for_each_picture_and_the_answer_its_interval(tmp_path: Path) -> None:
    results = recorded(tmp_path, BY_PICTURE)
    table = group_table(results)
    assert table is not None
    assert [column.title for column in table.columns[1:4]] == ["Coffee", "Rocket", "China"]
    (row,) = table.rows
    assert [entry.value for entry in row[1:4]] == pytest.approx(list(BY_PICTURE.values()))
    assert row[-1].text == "2 of 3"
    assert "; over 3 pictures ± 0.050, 2 of them of the same sign" in str(answer(results)[0])


def test_groups_are_no_metrics_of_the_suite(tmp_path: Path) -> None:
    assert not [metric for metric in recorded(tmp_path, BY_PICTURE).metrics if "[" in metric]


def test_records_without_groups_have_no_table_and_no_words(tmp_path: Path) -> None:
    results = recorded(tmp_path, {})
    assert group_table(results) is None
    assert "pictures" not in str(answer(results)[0])
