"""The comparison of scan curves as a figure."""

from __future__ import annotations

import numpy as np
import pytest

from zigbench import scan
from zigbench.report.figures import curves_compared


def test_a_comparison_sets_locality_beside_reach() -> None:
    cycles = {name: scan.layer_orders(name, 8, 8, (8, 8)) for name in ("zigzag", "hilbert")}
    drawing = curves_compared(cycles)
    distances = [scan.locality(cycle[0])[1] for cycle in cycles.values()]
    shares = [scan.reach(cycle).share for cycle in cycles.values()]
    for axes, expected in zip(drawing.figure.axes, (distances, shares), strict=True):
        assert all(np.allclose(line.get_ydata(), y) for line, y in zip(axes.lines, expected, strict=True))
    labels = [text.get_text() for text in drawing.figure.axes[1].get_legend().get_texts()]
    assert labels == ["zigzag", "hilbert"]
    assert "zigzag: 100 % after" in drawing.alternative


def test_there_is_something_to_compare() -> None:
    with pytest.raises(ValueError, match="at least one"):
        curves_compared({})
