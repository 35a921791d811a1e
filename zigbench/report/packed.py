"""Suites as packs have them: the definition and labels of a suite that this machine need not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zigbench.records.packing import joined_labels
from zigbench.records.sources import Sources
from zigbench.report.family import axes_in_order
from zigbench.spec import RunSpec
from zigbench.suite import Axis, Cell, Choice, Contrast, Suite


def packed_names(sources: Sources) -> tuple[str, ...]:
    """Return the names of the suites in the packs of ``sources``."""
    return tuple(sorted(joined_labels(sources.packs).suites))


def packed_suite(sources: Sources, name: str) -> tuple[Suite, list[Cell]]:
    """Return a suite as the packs of ``sources`` define it, with the cells that they have a record of.

    The points of its axes have no keys: the specs are those of the records.

    Raises:
        ValueError: no pack has the suite, or a record's spec needs a plug-in that is not loaded.
    """
    labels = joined_labels(sources.packs)
    if name not in labels.suites:
        known = ", ".join(sorted(labels.suites)) or "none"
        raise ValueError(f"no pack has a suite {name!r} (they have: {known})")
    suite = _suite(name, labels.suites[name])
    labels_of_runs = {run: of[name] for run, of in labels.runs.items() if name in of}
    records = sources.packed(labels_of_runs)
    positions = {axis.name: {label: i for i, label in enumerate(axis.points)} for axis in suite.axes}

    def place(run: str) -> tuple[int, ...]:
        return tuple(where.get(labels_of_runs[run].get(axis, ""), -1) for axis, where in positions.items())

    cells = [
        Cell({axis.name: labels_of_runs[run][axis.name] for axis in suite.axes}, RunSpec.parse(records[run].spec))
        for run in sorted(records, key=place)
    ]
    return suite, cells


def _suite(name: str, definition: dict[str, Any]) -> Suite:
    """Return the suite of a definition; the axes have their labels alone."""
    axes = definition["axes"]
    return Suite(
        name=name,
        base={},
        axes=tuple(Axis(axis, {label: {} for label in axes[axis]}) for axis in axes_in_order(definition)),
        choice=Choice(**definition["choice"]) if "choice" in definition else None,
        contrasts=tuple(Contrast(**contrast) for contrast in definition["contrasts"]),
        **dict(_others(definition)),
    )


def _others(definition: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the further parts of a definition that a suite has, lists as tuples."""
    for key in ("question", "version", "equal", "metrics", "baseline", "figures", "published", "published_as", "notes"):
        if key in definition:
            value = definition[key]
            yield key, tuple(value) if isinstance(value, list) else value
