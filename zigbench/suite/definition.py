"""A suite as data: its axes, contrasts and profiles; and the registered suite of a name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from zigbench.spec import Resources, RunSpec, registry
from zigbench.spec.overrides import merge, nest
from zigbench.spec.published import Sources
from zigbench.spec.registry import load_plugin


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
class RunOf:
    """The weights of another cell's run, as the value of a key that names weights.

    For example, an arm that begins with the weights of another: ``{"training.start": RunOf({"arm": "teacher"})}``.

    Args:
        labels: labels of that cell by axis; on the other axes it has those of the cell that names it.
    """

    labels: Mapping[str, str]


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
class Choice:
    """The rule by which each arm takes one point of an axis, from other samples than are reported.

    A run draws several sets of samples (``evaluation.sample_sets``), each from noise of its own. The first ones choose:
    the point with the best mean of the metric over the training seeds. The others are reported.

    Args:
        axis: the axis of which each arm takes one point.
        metric: the metric of samples that chooses.
        sets: number of sets that choose.
    """

    axis: str
    metric: str
    sets: int = 1


@dataclass(frozen=True)
class Interaction:
    """An axis on which the effect of each contrast is compared with its effect at a reference.

    Args:
        axis: name of a further axis than the first.
        reference: label on it.
    """

    axis: str
    reference: str


Cells = tuple[tuple[Mapping[str, str], Mapping[str, Any]], ...]
"""Labels by axis, and dotted keys that the cells with these labels override."""


@dataclass(frozen=True)
class Profile:
    """Other numbers for the same question, for example on a smaller machine.

    Args:
        base: dotted keys that override the suite's base.
        axes: axes that replace the suite's; None keeps them.
        cells: keys of single cells instead; None keeps the suite's.
        metrics: measurements to show instead; None keeps the suite's.
        equal: equalities to hold instead; None keeps the suite's.
        figures: figures to show instead; None keeps the suite's.
        resources: resources of one run; None keeps the suite's.
        notes: remarks for readers; None keeps the suite's.
    """

    base: Mapping[str, Any] = field(default_factory=dict)
    axes: tuple[Axis, ...] | None = None
    cells: Cells | None = None
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
        axes: the varied settings. The axis ``seed``, where there is one, pairs the runs of different arms. A value may
            be the run of another cell (:class:`RunOf`).
        cells: keys of single cells beside those of the axes: of all whose labels match every item of the mapping.
        version: raised when the suite changes its meaning.
        exclude: cells left out: those whose labels match every item of one of these mappings.
        equal: figures that must agree across cells, each with its tolerance as a share ("parameters": 0.05).
        metrics: names of the measurements that the report shows; the answer is about the first.
        baseline: label on the first axis that the others are compared with; None for the first point.
        contrasts: the differences in the answer; without any, the answer has the largest against the baseline.
        interaction: the axis on which the contrasts' effects are compared with each other; None for no comparison.
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
        networks: the suite whose trained networks the runs measure, without training again; its axes are among the
            suite's own, and the other axes and ``base`` change how a network is measured. A profile measures those of
            its profile of that name, where it has one.
        choice: the rule by which each arm takes a point of an axis.
    """

    name: str
    question: str
    base: Mapping[str, Any]
    axes: tuple[Axis, ...]
    cells: Cells = ()
    version: int = 1
    exclude: tuple[Mapping[str, str], ...] = ()
    equal: Mapping[str, float] = field(default_factory=dict)
    metrics: tuple[str, ...] = ("held_out_loss",)
    baseline: str | None = None
    contrasts: tuple[Contrast, ...] = ()
    interaction: Interaction | None = None
    figures: tuple[str, ...] = ()
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    published: tuple[str, ...] = ()
    published_as: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, ReleasedFile] = field(default_factory=dict)
    sources: Sources = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    order: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    networks: Suite | None = None
    choice: Choice | None = None

    def __post_init__(self) -> None:
        names = {axis.name for axis in self.axes}
        if self.networks is not None and (absent := [a.name for a in self.networks.axes if a.name not in names]):
            raise ValueError(
                f"the suite {self.name!r} measures networks of {self.networks.name!r}, and has no axis "
                f"{', '.join(absent)} of theirs: put networks.axes among its own"
            )
        if self.choice is not None and self.choice.axis not in names:
            raise ValueError(f"the suite {self.name!r} chooses on {self.choice.axis!r}, which is none of its axes")
        points = {axis.name: axis.points for axis in self.axes}
        for axis, label in (item for labels, _ in self.cells for item in labels.items()):
            if label not in points.get(axis, ()):
                raise ValueError(
                    f"the suite {self.name!r} sets keys of cells with {axis} {label!r}, and has no such cell"
                )
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
            for key in ("axes", "cells", "metrics", "equal", "figures", "resources", "notes")
            if (value := getattr(chosen, key)) is not None
        }
        axes = {axis.name for axis in given.get("axes", self.axes)}
        networks = self.networks
        if networks is not None and name in networks.profiles:
            networks = networks.profile(name)
        return replace(
            self,
            name=f"{self.name}-{name}",
            base=merge(nest(self.base), chosen.base),
            order=tuple(axis for axis in self.order if axis in axes),
            profiles={},
            networks=networks,
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
            **({} if self.choice is None else {"choice": asdict(self.choice)}),
        }


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
