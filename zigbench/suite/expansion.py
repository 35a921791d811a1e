"""The runs of a suite: the product of its axes, or a part of it that conditions choose."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from zigbench.spec import Resources, RunSpec
from zigbench.spec.errors import Fault, SpecError
from zigbench.spec.overrides import flatten, merge, nest, parse_assignment
from zigbench.spec.registry import nearest
from zigbench.spec.run import TRAINED, Sections
from zigbench.suite.definition import Axis, RunOf, Suite

MEASURED = ("sampler", "evaluation", "ema_std", "resources")
"""Keys of a run that measures a trained network which its training does not share."""


@dataclass(frozen=True)
class Cell:
    """One run of a suite: the label on each axis, the spec, and its resources."""

    labels: Mapping[str, str]
    spec: RunSpec
    resources: Resources = field(default_factory=Resources)

    @property
    def name(self) -> str:
        """The labels joined, for people."""
        return " · ".join(f"{axis} {label}" if axis == "seed" else label for axis, label in self.labels.items())


def expand(suite: Suite, overrides: Mapping[str, Any] | None = None, only: Sequence[str] = ()) -> Iterator[Cell]:
    """Yield the suite's cells in the order of its axes, the last axis fastest, unless ``suite.order`` sets another.

    Args:
        suite: the suite; for a profile, the result of :meth:`Suite.profile`.
        overrides: dotted keys changed in every cell, last.
        only: conditions ``key=value`` that a cell must all meet, key being an axis or a dotted path of the spec. A
            value may be several with commas between them, of which a cell must meet one.

    Raises:
        SpecError: a cell's spec has faults (the cell is named), or a condition is not valid.
        ValueError: two cells are the same run, an axis has no such point, or the order names no axis.
    """
    wanted = [_condition(text) for text in only]
    axes = {axis.name for axis in suite.axes}
    # Cells that their labels exclude are not parsed: an override must be valid for the other cells only.
    by_label = [(axis, value) for axis in suite.axes for key, value in wanted if key == axis.name]
    by_key = [(key, value) for key, value in wanted if key not in axes]
    for axis, value in by_label:
        _check_point(axis, value)
    seen: dict[str, Cell] = {}
    known = [axis.name for axis in suite.axes]
    if unknown := set(suite.order) - set(known):
        raise ValueError(f"suite {suite.name!r}: the order names {', '.join(sorted(unknown))}, which is no axis")
    base, sections = nest(suite.base), Sections()
    slowest_first = [suite.axes[known.index(name)] for name in dict.fromkeys((*suite.order, *known))]
    for labels in itertools.product(*(axis.points for axis in slowest_first)):
        chosen = {axis.name: label for axis, label in zip(slowest_first, labels, strict=True)}
        labelled = {axis.name: chosen[axis.name] for axis in suite.axes}
        if _is_excluded(suite, labelled):
            continue
        if suite.networks is not None and _is_excluded(suite.networks, labels_of_network(suite, labelled)):
            continue
        if not all(_chosen(axis, labelled[axis.name], value) for axis, value in by_label):
            continue
        cell = _parse(suite, base, labelled, overrides or {}, sections)
        if by_key and not _matches(cell, by_key):
            continue
        identity = cell.spec.id
        if identity in seen:
            raise ValueError(
                f"suite {suite.name!r}: {seen[identity].name} and {cell.name} are the same run {identity}; "
                "exclude one, or give them different settings"
            )
        seen[identity] = cell
        yield cell


def _is_excluded(suite: Suite, labels: Mapping[str, str]) -> bool:
    return any(_has(labels, hole) for hole in suite.exclude)


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Return whether a cell has all of these labels."""
    return all(labels.get(axis) == label for axis, label in wanted.items())


def labels_of_network(suite: Suite, labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of the training whose network a cell measures, by the places of its points on the axes.

    Places, since the points of an overridden suite have other names.
    """
    assert suite.networks is not None
    points = {axis.name: list(axis.points) for axis in suite.axes}
    return {axis.name: list(axis.points)[points[axis.name].index(labels[axis.name])] for axis in suite.networks.axes}


def _training(suite: Suite, labels: Mapping[str, str], overrides: Mapping[str, Any], sections: Sections) -> Cell:
    """Return the training whose network a cell measures.

    What is overridden of samples and measurements is the cell's alone: it needs no other training.
    """
    assert suite.networks is not None
    changes = {key: value for key, value in overrides.items() if key.partition(".")[0] not in MEASURED}
    names = labels_of_network(suite, labels)
    return _parse(suite.networks, nest(suite.networks.base), names, changes, sections)


def _parse(
    suite: Suite,
    base: Mapping[str, Any],
    labelled: Mapping[str, str],
    overrides: Mapping[str, Any],
    sections: Sections,
    within: tuple[Mapping[str, str], ...] = (),
) -> Cell:
    raw, axes = dict(base), suite.axes
    if suite.networks is not None:
        trained, shared = _training(suite, labelled, overrides, sections).spec, {a.name for a in suite.networks.axes}
        raw = merge({**trained.resolved(), "task": "evaluate", "weights": f"{TRAINED}{trained.id}"}, suite.base)
        axes = tuple(axis for axis in suite.axes if axis.name not in shared)
    own = (keys for labels, keys in suite.cells if _has(labelled, labels))
    for changes in (*(axis.points[labelled[axis.name]] for axis in axes), *own, overrides):
        if changes:
            raw = merge(raw, changes)
    resources = raw.pop("resources", {})
    for key, value in flatten(raw).items():
        if isinstance(value, RunOf):
            other = _labels_of(value, suite, labelled)
            if other in (*within, labelled):
                raise ValueError(
                    f"suite {suite.name!r}: {key} of {' · '.join(labelled.values())} names a run that needs it"
                )
            named = _parse(suite, base, other, overrides, sections, (*within, labelled))
            raw = merge(raw, {key: f"{TRAINED}{named.spec.id}"})
    try:
        return Cell(labelled, sections.parse(raw), suite.resources.override(resources))
    except SpecError as error:
        where = f"suite {suite.name!r}, {', '.join(f'{axis} {label}' for axis, label in labelled.items())}"
        raise SpecError(replace(fault, path=f"{where}: {fault.path}") for fault in error.faults) from None


def _labels_of(run: RunOf, suite: Suite, labelled: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of the cell that another cell names, on every axis of the suite.

    Raises:
        ValueError: an axis or a label that the suite has not.
    """
    other = dict(labelled)
    points = {axis.name: axis.points for axis in suite.axes}
    for axis, wanted in run.labels.items():
        # Where keys are overridden, an arm's label says so in brackets.
        matches = [label for label in points.get(axis, ()) if wanted in (label, label.partition(" [")[0])]
        if len(matches) != 1:
            known = (
                f"{axis} is one of {', '.join(points[axis])}" if axis in points else f"the axes are {', '.join(points)}"
            )
            raise ValueError(f"suite {suite.name!r}: there is no run with {axis} {wanted!r}; {known}")
        other[axis] = matches[0]
    return other


def _condition(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise SpecError([Fault(text, "", "is not a condition", "write key=value, such as scan.curve=hilbert")])
    return key.strip(), value.strip()


def _matches(cell: Cell, conditions: Sequence[tuple[str, str]]) -> bool:
    facts = flatten(cell.spec.resolved())
    for key, _ in conditions:
        # A dotted key may be absent in some runs (a transformer has no scan.curve); a plain one is a mistake.
        if key not in facts and "." not in key:
            known = [*cell.labels, *facts]
            near = nearest(key, known)
            raise SpecError([Fault(key, "", "no run has this key", f"did you mean {near!r}?" if near else "")])
    return all(any(_equal(facts.get(key), value) for value in _alternatives(text)) for key, text in conditions)


def _alternatives(text: str) -> tuple[str, ...]:
    """Return the values that a condition allows: all of the text, and its parts between commas outside brackets."""
    parts = re.split(r",(?![^\[]*\])", text)
    return (text, *(part.strip() for part in parts)) if len(parts) > 1 else (text,)


def _check_point(axis: Axis, text: str) -> None:
    """Raise ValueError where a condition on an axis names a point that it has not."""
    if any(_is_point(axis, label, text) for label in axis.points):
        return
    for value in _alternatives(text)[1:] or (text,):
        if not any(_is_point(axis, label, value) for label in axis.points):
            near = nearest(value, list(axis.points))
            hint = f"did you mean {near!r}? " if near else ""
            raise ValueError(
                f"no run matches {axis.name}={value}: {hint}{axis.name} is one of {', '.join(axis.points)}"
            )


def _chosen(axis: Axis, label: str, text: str) -> bool:
    """Return whether a condition on an axis names this point, alone or among others."""
    return any(_is_point(axis, label, value) for value in _alternatives(text))


def _is_point(axis: Axis, label: str, text: str) -> bool:
    """Return whether a text is a point's label, with or without what is overridden, or the value of the axis' key."""
    point = axis.points[label]
    return text in (label, label.partition(" [")[0]) or (axis.name in point and _equal(point[axis.name], text))


def _equal(value: Any, text: str) -> bool:
    """Return whether a value is what a text means where an assignment reads it: ``false``, ``1e-2``, ``null``."""
    _, meant = parse_assignment(f"key={text}")
    return str(value) == text or (value == meant and isinstance(value, bool) == isinstance(meant, bool))
