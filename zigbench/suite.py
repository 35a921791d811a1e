"""A suite: one question, and the runs that answer it, as data.

A suite is a base spec and axes. Each axis is a list of labelled points, and a point overrides dotted keys of the base;
the runs are the product of the axes, without the excluded ones. Runs belong to no suite: two suites with the same spec
share its record.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from zigbench.spec import Resources, RunSpec, registry
from zigbench.spec.errors import Fault, SpecError
from zigbench.spec.files import short_sha256
from zigbench.spec.overrides import flatten, merge, nest, parse_assignment
from zigbench.spec.published import Sources
from zigbench.spec.registry import load_plugin, nearest
from zigbench.spec.run import Sections


@dataclass(frozen=True)
class Axis:
    """An axis of a suite: labelled points, each overriding some dotted keys of the base spec."""

    name: str
    points: Mapping[str, Mapping[str, Any]]

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError(f"the axis {self.name!r} has no points")


def grid(key: str, values: Sequence[Any], name: str | None = None) -> Axis:
    """Return an axis over the values of one key; the labels are the values as text."""
    return Axis(name or key, {str(value): {key: value} for value in values})


def zipped(name: str, **columns: Sequence[Any]) -> Axis:
    """Return an axis whose keys change together; write ``__`` for a key's dots (``training__steps=[…]``).

    Raises:
        ValueError: the columns have different lengths.
    """
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"the axis {name!r} zips columns of different lengths: {lengths}")
    keys = [key.replace("__", ".") for key in columns]
    rows = [dict(zip(keys, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return Axis(name, {", ".join(str(value) for value in row.values()): row for row in rows})


@dataclass(frozen=True)
class Contrast:
    """Two arms whose difference answers a part of the question; the report fills in the numbers.

    Args:
        a, b: labels on the first axis; the effect is a − b in the suite's first metric.
        says: the difference of a from b, as the subject of a sentence ("One forward sweep instead of eight zigzags").
        worse: the claim if a is separated and worse than b ("The order matters"); "" for the numbers alone.
        better: the claim if a is separated and better.
        neither: the claim if the two are not separated.
        margin: difference in the suite's first metric below which a and b count as equal, stated before any run
            exists; None where no equality is claimed.
        same: the claim if a and b are equal within the margin (two one-sided tests at 5 %).
    """

    a: str
    b: str
    says: str
    worse: str = ""
    better: str = ""
    neither: str = ""
    margin: float | None = None
    same: str = ""


@dataclass(frozen=True)
class Profile:
    """Other numbers for the same question, for example on a smaller machine.

    Args:
        base: dotted keys that override the suite's base.
        axes: axes that replace the suite's; None keeps them.
        metrics: measurements to show instead; None keeps the suite's.
        equal: equalities to hold instead; None keeps the suite's.
        figures: figures to show instead; None keeps the suite's.
        resources: resources of one run; None keeps the suite's.
        notes: remarks for readers; None keeps the suite's.
    """

    base: Mapping[str, Any] = field(default_factory=dict)
    axes: tuple[Axis, ...] | None = None
    metrics: tuple[str, ...] | None = None
    equal: Mapping[str, float] | None = None
    figures: tuple[str, ...] | None = None
    resources: Resources | None = None
    notes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ReleasedFile:
    """A file of weights that others released.

    Args:
        release: its release, as ``zigbench import --release`` takes it.
        source: where it is downloaded from.
        options: further options of the import.
    """

    release: str
    source: str
    options: str = ""

    def advice(self, file: str, spec: RunSpec) -> str:
        """Return what to download and the command that imports it, for a run on its weights."""
        command = f"zigbench import {file} --release {self.release} --data {spec.data.name}"
        command += f" --patch {spec.backbone.patch} {self.options}"
        return f"{file} is not imported. To be downloaded by hand from {self.source}. Then: {command.rstrip()}"


@dataclass(frozen=True)
class Suite:
    """A question and the runs that answer it.

    Args:
        name: the suite's name, as registered.
        question: the question, in one sentence.
        base: the spec that all runs share, as nested or dotted keys.
        axes: the varied settings. The axis ``seed``, where there is one, pairs the runs of different arms.
        version: raised when the suite changes its meaning.
        exclude: cells left out: those whose labels match every item of one of these mappings.
        equal: figures that must agree across cells, each with its tolerance as a share ("parameters": 0.05).
        metrics: names of the measurements that the report shows; the answer is about the first.
        baseline: label on the first axis that the others are compared with; None for the first point.
        contrasts: the differences in the answer; without any, the answer has the largest against the baseline.
        figures: names of the report's figures beyond the standard ones.
        profiles: other settings for the same question, by name ("miniature").
        published: tables of ``results/published.csv`` on the same question.
        published_as: published methods by arm, where the names differ: ``{"sweep-1": "sweep"}``.
        files: released files whose weights the runs measure, by the name that stands as ``weights`` in a point.
        sources: published settings of the runs by source, ``paper`` and ``release``: what the runs are compared with.
        resources: resources of one run; a point of an axis may override it (``resources.gpus``).
        order: axes from the slowest to the fastest in which the runs are done; those that are not named follow. For
            timed runs, where a drift of the machine must affect all arms equally.
        notes: remarks for readers of the report, one sentence each.
    """

    name: str
    question: str
    base: Mapping[str, Any]
    axes: tuple[Axis, ...]
    version: int = 1
    exclude: tuple[Mapping[str, str], ...] = ()
    equal: Mapping[str, float] = field(default_factory=dict)
    metrics: tuple[str, ...] = ("held_out_loss",)
    baseline: str | None = None
    contrasts: tuple[Contrast, ...] = ()
    figures: tuple[str, ...] = ()
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    published: tuple[str, ...] = ()
    published_as: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, ReleasedFile] = field(default_factory=dict)
    sources: Sources = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    order: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*", self.name):
            raise ValueError(
                f"a suite can't be called {self.name!r}, which is also the name of its reports' folder: use letters, "
                "digits, '_', '-' and '.', the first a letter or digit"
            )

    def profile(self, name: str | None) -> Suite:
        """Return the suite with a profile's settings, named ``suite-profile``; None is the suite itself.

        Raises:
            ValueError: the suite has no such profile.
        """
        if name is None:
            return self
        if name not in self.profiles:
            known = ", ".join(self.profiles) or "none"
            raise ValueError(f"the suite {self.name!r} has no profile {name!r} (it has: {known})")
        chosen = self.profiles[name]
        given = {
            key: value
            for key in ("axes", "metrics", "equal", "figures", "resources", "notes")
            if (value := getattr(chosen, key)) is not None
        }
        axes = {axis.name for axis in given.get("axes", self.axes)}
        return replace(
            self,
            name=f"{self.name}-{name}",
            base=merge(nest(self.base), chosen.base),
            order=tuple(axis for axis in self.order if axis in axes),
            profiles={},
            **given,
        )

    def with_weights(self, imported: Mapping[str, str]) -> Suite:
        """Return the suite with the hash of the weights in place of each file that was imported.

        Args:
            imported: SHA-256 of the weights by the file's name.
        """
        axes = tuple(
            replace(
                axis,
                points={
                    label: {**keys, "weights": imported.get(str(keys["weights"]), keys["weights"])}
                    if "weights" in keys
                    else keys
                    for label, keys in axis.points.items()
                },
            )
            for axis in self.axes
        )
        return replace(self, axes=axes) if self.files else self

    def as_in(self, source: str) -> Suite:
        """Return the suite with a profile named after a source, whose runs have the settings that it states.

        A note of each page names the source of its settings.
        """
        settings = self.sources[source]
        base = {setting.key: setting.value for setting in settings if not setting.where}
        axes = tuple(
            replace(
                axis,
                points={
                    label: {
                        **keys,
                        **{s.key: s.value for s in settings if s.where and s.where.get(axis.name) == label},
                    }
                    for label, keys in axis.points.items()
                },
            )
            for axis in self.axes
        )
        note = f"Settings are those of the {source}; the suite itself has the paper's where the two differ."
        profile = Profile(base=base, axes=axes, notes=(*self.notes, note))
        own = f"Settings are those of the paper, and of the {source} where it is silent; see --as {source}."
        return replace(self, notes=(*self.notes, own), profiles={**self.profiles, source: profile})

    def to_json(self) -> dict[str, Any]:
        """Return the parts of the suite that a page shows besides its runs and labels, as JSON values."""
        return {
            "question": self.question,
            "version": self.version,
            "axes": {axis.name: list(axis.points) for axis in self.axes},
            "axis_order": [axis.name for axis in self.axes],
            "equal": dict(self.equal),
            "metrics": list(self.metrics),
            "baseline": self.baseline,
            "contrasts": [asdict(contrast) for contrast in self.contrasts],
            "figures": list(self.figures),
            "published": list(self.published),
            "published_as": dict(self.published_as),
            "notes": list(self.notes),
        }


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
    holes = tuple({axis: renamed[axis].get(label, label) for axis, label in hole.items()} for hole in suite.exclude)
    name = _beside(suite.name, *(f"{key}={value}" for key, value in changed.items()))
    return replace(suite, name=name, axes=tuple(axes), baseline=baseline, exclude=holes)


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
        if any(all(labelled.get(axis) == label for axis, label in hole.items()) for hole in suite.exclude):
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


def _parse(
    suite: Suite,
    base: Mapping[str, Any],
    labelled: Mapping[str, str],
    overrides: Mapping[str, Any],
    sections: Sections,
) -> Cell:
    raw = dict(base)
    for changes in (*(axis.points[labelled[axis.name]] for axis in suite.axes), overrides):
        if changes:
            raw = merge(raw, changes)
    needs = raw.pop("resources", {})
    try:
        return Cell(labelled, sections.parse(raw), suite.resources.override(needs))
    except SpecError as error:
        where = f"suite {suite.name!r}, {', '.join(f'{axis} {label}' for axis, label in labelled.items())}"
        raise SpecError(replace(fault, path=f"{where}: {fault.path}") for fault in error.faults) from None


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


def load(name: str) -> Suite:
    """Return a registered suite by name, or the one in the user's own file when ``name`` ends in .py.

    The file defines ``suite``; it may also register curves, backbones or data sets by decorator.

    Raises:
        ValueError: unknown name, a file without a suite, or one that can't be imported.
    """
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise ValueError(f"there is no suite file {name}")
        loaded = getattr(load_plugin(name), "suite", None)
    else:
        loaded = registry.suites.get(name)
    if not isinstance(loaded, Suite):
        raise ValueError(f"{name} defines no `suite = Suite(...)`")
    return loaded
