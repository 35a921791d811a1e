"""Receptive fields and reach: from inspections where there are any, else exactly from the orders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic

from zigbench import scan
from zigbench.report.figures import catalogue
from zigbench.report.figures.fields import FILE
from zigbench.report.results import Results, join
from zigbench.suite import Axis, Cell, Suite, grid

NAMES = ("reach", "receptive_fields")
ARMS = ("sweep-1", "zigzag-2", "zigzag-8", "dit")


def made(root: Path) -> tuple[Suite, list[Cell]]:
    arms = Axis("arm", {arm: {**synthetic.point(arm), "backbone.config.depth": 5} for arm in ARMS})
    suite = synthetic.suite(axes=(arms, grid("seed", [0])), figures=NAMES, contrasts=())
    cells = synthetic.cells(suite)
    for cell in cells:
        synthetic.record(cell, root, synthetic.measurements(cell, 0.5), log=False)
    return suite, cells


def inspected(root: Path, cell: Cell, **changes: Any) -> None:
    seen = np.ones((6, 8, 8), dtype=bool)
    seen[-1, 4:] = False
    arrays = {
        "field": np.arange(64.0).reshape(8, 8), "seen": seen, "reached": np.linspace(0, 0.7, 6),
        "about": np.array(json.dumps({"weights": "fresh", "samples": 1, "seed": 0})),
    }  # fmt: skip
    np.savez(root / cell.spec.id / FILE, **{**arrays, **changes})


def drawn(found: Results, name: str) -> Any:
    return catalogue.requests(found)[0][name].draw()


def test_reach_is_told_by_the_orders_alone(tmp_path: Path) -> None:
    suite, cells = made(tmp_path)
    found = join(suite, cells, tmp_path)
    lines = {arm: line.get_ydata() for arm, line in zip(ARMS, drawn(found, "reach").figure.axes[0].lines, strict=True)}
    assert all(len(line) == 5 for line in lines.values())
    assert lines["dit"] == pytest.approx([100] * 5)
    assert lines["sweep-1"] == pytest.approx([100 * (64 + 1) / 2 / 64] * 5)
    exact = scan.reach(scan.layer_orders("zigzag", 8, 8, (8, 8)))
    assert lines["zigzag-8"][: len(exact.share)] == pytest.approx([100 * share for share in exact.share])
    text = drawn(found, "reach").alternative
    assert f"zigzag-8 all after {exact.layers} layers" in text
    assert "zigzag-2 all after" not in text


def test_a_block_that_sees_no_order_reaches_everything(tmp_path: Path) -> None:
    keys = {**synthetic.point("sweep-1"), "backbone.config.depth": 5}
    own = {"gla": {"mixer": "gla"}, "hybrid": {"attention_every": 3}, "control": {"mixer": "nc-ssd"}}
    points = {arm: {**keys, **{f"backbone.config.{k}": v for k, v in of.items()}} for arm, of in own.items()}
    suite = synthetic.suite(
        axes=(Axis("arm", points), grid("seed", [0])), figures=NAMES, contrasts=(), equal={}, baseline="gla"
    )
    cells = synthetic.cells(suite)
    for number, cell in enumerate(cells):
        synthetic.record(cell, tmp_path, synthetic.measurements(cell, 0.5 + number), log=False)
    found = join(suite, cells, tmp_path)
    lines = {
        arm: line.get_ydata() for arm, line in zip(points, drawn(found, "reach").figure.axes[0].lines, strict=True)
    }
    before, behind = 100 * (64 + 1) / 2 / 64, 100.0
    assert lines["gla"] == pytest.approx([before] * 5)
    assert lines["hybrid"] == pytest.approx([before] * 2 + [behind] * 3)
    assert lines["control"] == pytest.approx([behind] * 5)
    # A control has no place beside a curve.
    assert "control" not in drawn(found, "orders").alternative


def test_an_inspection_goes_before_the_orders(tmp_path: Path) -> None:
    suite, cells = made(tmp_path)
    inspected(tmp_path, cells[2])
    found = join(suite, cells, tmp_path)
    assert "zigzag-8 70 % at the end" in drawn(found, "reach").alternative
    fields = drawn(found, "receptive_fields")
    assert "zigzag-8 field of 50 %" in fields.alternative
    assert "as initialised, its gates open" in fields.caption
    shown = fields.figure.axes[0].images[0].get_array()
    assert np.array_equal(np.ma.getmaskarray(np.ma.masked_invalid(shown)).all(axis=1), np.arange(8) >= 4)


def test_what_is_lacking_or_damaged_is_said(tmp_path: Path) -> None:
    suite, cells = made(tmp_path)
    (tmp_path / cells[0].spec.id / FILE).write_bytes(b"PK no")
    asked, missing = catalogue.requests(join(suite, cells, tmp_path))
    assert "reach" in asked
    assert any("`zigbench inspect`" in text for text in missing)
