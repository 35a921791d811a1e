"""The notebook runs from its first cell to its last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import synthetic
from matplotlib.figure import Figure

from zigbench.suite import expand, load

NOTEBOOK = Path(__file__).parents[2] / "reports" / "explore.ipynb"


def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for position, cell in enumerate(expand(load("quickstart"))):
        synthetic.record(cell, tmp_path, synthetic.measurements(cell, 0.6 + 0.001 * position), log=False)
    monkeypatch.setenv("ZIGBENCH_RESULTS", str(tmp_path))
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert cells
    space: dict[str, Any] = {}
    for cell in cells:
        assert cell["outputs"] == [], "outputs are not committed"
        exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), space)  # noqa: S102
    assert isinstance(space["drawing"].figure, Figure)
    assert space["frame"]["run"].nunique() == len(list(expand(load("quickstart"))))
