"""Time and size of a report of a thousand runs: run with ``--benchmark-enable``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

import synthetic

from zigbench import report
from zigbench.suite import Axis, grid


def test_a_thousand_runs(benchmark: Any, tmp_path: Path) -> None:
    points = {arm: synthetic.point(arm) for arm in ("sweep-1", "zigzag-8")}
    suite = synthetic.suite(axes=(Axis("arm", points), grid("seed", list(range(500)))))
    cells = synthetic.cells(suite)
    for cell in cells:
        synthetic.record(cell, tmp_path, synthetic.measurements(cell, 0.5 + 0.001 * (cell.spec.seed % 7)))
    page = benchmark.pedantic(
        report.write, (suite, cells), {"root": tmp_path, "out": tmp_path / "r", "command": "c"}, rounds=1
    )
    assert page.stat().st_size < 5e6
    assert benchmark.stats.stats.max < 30
