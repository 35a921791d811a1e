"""The settings of planned runs beside published ones: each key in which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zigbench.spec.published import settings_of
from zigbench.suite import Cell, Suite


@dataclass(frozen=True)
class Difference:
    """A key in which runs differ from what is published of them.

    Attributes:
        key: dotted.
        ours, published: the two values.
        source: where the published value is stated.
        arms: labels of the runs on all axes but the seed, joined; empty where all runs of the suite differ so.
    """

    key: str
    ours: Any
    published: Any
    source: str
    arms: tuple[str, ...]


def differences(suite: Suite, cells: Sequence[Cell], source: str) -> list[Difference]:
    """Return the differences of a suite's cells from its published settings, in the order of these.

    Args:
        suite: the suite.
        cells: its cells, or some of them.
        source: ``paper`` or ``release``; where it is silent, the other counts.

    Raises:
        ValueError: the suite has no settings by this source.
    """
    arms_by_difference: dict[tuple[str, str, str, str], tuple[Any, Any, dict[str, None]]] = {}
    for cell in cells:
        arm = " · ".join(label for axis, label in cell.labels.items() if axis != "seed")
        for setting in settings_of(suite.sources, source, cell.labels):
            if setting.differs(cell.spec, cell.resources):
                ours = setting.ours(cell.spec, cell.resources)
                key = (setting.key, repr(ours), repr(setting.value), setting.source)
                arms_by_difference.setdefault(key, (ours, setting.value, {}))[2][arm] = None
    every = {" · ".join(label for axis, label in c.labels.items() if axis != "seed") for c in cells}
    return [
        Difference(key, ours, value, where, () if arms.keys() == every else tuple(arms))
        for (key, _, _, where), (ours, value, arms) in arms_by_difference.items()
    ]
