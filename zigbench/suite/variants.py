"""A suite changed by the command line: with an arm more, or with overridden keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zigbench.spec.files import short_sha256
from zigbench.spec.overrides import flatten, merge, nest, parse_assignment
from zigbench.suite.definition import Axis, Contrast, Suite


def add_arm(suite: Suite, text: str) -> Suite:
    """Return the suite with one more arm, which is the baseline with some keys changed, and their contrast.

    Args:
        suite: a suite with an axis beside the seed.
        text: ``NAME:KEY=VALUE``, or several assignments with commas between them.

    Raises:
        ValueError: not of this form, a name that the suite has, or a suite without arms.
    """
    name, colon, assignments = text.partition(":")
    if not colon or not name.strip():
        raise ValueError(f"{text!r} is not an arm: write NAME:KEY=VALUE, such as mine:scan.curve=mine")
    if suite.networks is not None:
        raise ValueError(
            f"the suite {suite.name!r} trains nothing: it measures the networks of {suite.networks.name!r}"
        )
    axis = next((axis for axis in suite.axes if axis.name != "seed"), None)
    if axis is None:
        raise ValueError(f"the suite {suite.name!r} has no arms: its only axis is the seed")
    if name in axis.points:
        raise ValueError(f"the suite {suite.name!r} has an arm {name!r}; choose another name")
    home = suite.baseline or next(iter(axis.points))
    changes = dict(parse_assignment(part) for part in re.split(r",(?=[\w.]+=)", assignments))
    former = merge(nest(suite.base), axis.points[home])
    says = ", ".join(
        f"{key} {value} instead of {flatten(former).get(key, 'its default')}" for key, value in changes.items()
    )
    longer = replace(axis, points={**axis.points, name: {**axis.points[home], **changes}})
    return replace(
        suite,
        name=_beside(suite.name, name),
        axes=tuple(longer if one is axis else one for one in suite.axes),
        contrasts=(*suite.contrasts, Contrast(name, home, says=says)) if suite.contrasts else (),
    )


def override(suite: Suite, overrides: Mapping[str, Any]) -> Suite:
    """Return the suite as its runs are once keys of them are overridden: under a name and with labels of their own.

    An arm one of whose keys is overridden is another arm: its label says so, as ``zigzag-8 [scan.curve=mine]``.
    Resources are no part of a run.
    """
    changed = {key: value for key, value in overrides.items() if key.partition(".")[0] != "resources"}
    if not changed:
        return suite
    axes, baseline = [], suite.baseline
    renamed: dict[str, dict[str, str]] = {}
    for axis in suite.axes:
        names = renamed[axis.name] = {label: _overridden(axis, label, changed) for label in axis.points}
        axes.append(replace(axis, points={names[label]: keys for label, keys in axis.points.items()}))
        if axis.name != "seed":
            baseline = names.get(baseline or "", baseline)
    holes = tuple(_renamed(hole, renamed) for hole in suite.exclude)
    cells = tuple((_renamed(labels, renamed), keys) for labels, keys in suite.cells)
    name = _beside(suite.name, *(f"{key}={value}" for key, value in changed.items()))
    return replace(suite, name=name, axes=tuple(axes), cells=cells, baseline=baseline, exclude=holes)


def _renamed(labels: Mapping[str, str], names: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return labels by axis under the new names of their points."""
    return {axis: names[axis].get(label, label) for axis, label in labels.items()}


def _overridden(axis: Axis, label: str, changed: Mapping[str, Any]) -> str:
    """Return the label of a point some of whose keys are overridden; its own where none is."""
    point = axis.points[label]
    own = {
        key: v
        for key, v in changed.items()
        if any(f"{a}.".startswith(f"{b}.") for k in point for a, b in ((k, key), (key, k)))
    }
    return f"{label} [{', '.join(f'{key}={value}' for key, value in own.items())}]" if own else label


def _beside(name: str, *parts: str) -> str:
    """Return the name of a variant of a suite, whose page stands beside the suite's own."""
    words = [re.sub(r"[^\w.]+", "-", part).strip("-") for part in parts]
    whole = "-".join([name, *words])
    return whole if len(whole) <= 120 else f"{name}-{short_sha256(whole)}"
