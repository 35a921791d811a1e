"""Speed and memory over a size: cells as lines; a line joins only cells that were measured under equal conditions.

The rounds of such a suite are its seeds, so that everything about seeds elsewhere holds for rounds here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from zigbench.records.record import Record
from zigbench.report import formatting
from zigbench.report.results import SEED, Results, Run
from zigbench.spec import EfficiencyRun, RunSpec
from zigbench.suite import Axis

# The sizes that a suite may sweep.


def _patches(spec: RunSpec) -> float | None:
    return spec.geometry.tokens


def _directions(spec: RunSpec) -> float | None:
    return spec.scan.schemes if spec.scan else None


def _batch(spec: RunSpec) -> float | None:
    return spec.efficiency.batch if isinstance(spec, EfficiencyRun) else None


def _network_evaluations(spec: RunSpec) -> float | None:
    return spec.sampler.network_evaluations


@dataclass(frozen=True)
class SweptSize:
    """A size over which speed and memory are measured.

    Args:
        title: its name on an axis.
        value: the function that reads it from a spec.
        keys: keys of the spec that change it.
        span: words for a range of it, with two places for its ends.
        law: the meaning of the exponent of the speed over it.
    """

    title: str
    value: Callable[[RunSpec], float | None]
    keys: tuple[str, ...]
    span: str
    law: str

    def changed_by(self, axis: Axis) -> bool:
        """Return True where any point of the axis sets one of the keys."""
        paths = {path for point in axis.points.values() for path in _paths(point)}
        return any(path == key or path.startswith(f"{key}.") for path in paths for key in self.keys)


PATCHES = SweptSize(
    "Patches",
    _patches,
    ("data", "backbone.patch"),
    "From {} to {} patches",
    "−1 where the cost is in proportion, −2 where it grows with the square; nearer to 0 where the device is not "
    "yet busy, in which case the largest sizes alone show the law",
)

SWEPT_SIZES: Mapping[str, SweptSize] = {
    "throughput": PATCHES,
    "throughput_orf": SweptSize(
        "Directions",
        _directions,
        ("scan.schemes", "backbone.config.schemes"),
        "From {} to {} directions",
        "0 where another direction costs nothing, −1 where the cost is in proportion",
    ),
    "throughput_batch": SweptSize(
        "Batch",
        _batch,
        ("efficiency.batch",),
        "From a batch of {} to one of {}",
        "0 where the cost is in proportion, +1 where another image costs nothing, because the device is not yet busy",
    ),
    "throughput_sampling": SweptSize(
        "Network evaluations",
        _network_evaluations,
        ("sampler",),
        "From {} to {} network evaluations",
        "−1 where the cost is in proportion, nearer to 0 where something else takes the time",
    ),
}
"""By the name of the figure that draws speed over it."""


def swept_size(results: Results) -> SweptSize | None:
    """Return the size of the first figure of speed that the suite names; None where it names none."""
    return next((SWEPT_SIZES[name] for name in results.suite.figures if name in SWEPT_SIZES), None)


# A cell's figure in each of its rounds.

MAX_SPREAD = 0.05
"""Share by which the rounds of a cell may differ."""

DOUBTS = f"disturbed, never steady, or with rounds more than {100 * MAX_SPREAD:g} % apart"
"""The reasons to doubt a cell, in words."""


@dataclass(frozen=True)
class Rounds:
    """A cell's figure in each of its rounds. There are too few for an interval: their range is shown instead."""

    values: tuple[float, ...]

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        """The mean; NaN of no rounds, as are the ends of the range."""
        return sum(self.values) / self.n if self.values else math.nan

    @property
    def low(self) -> float:
        return min(self.values, default=math.nan)

    @property
    def high(self) -> float:
        return max(self.values, default=math.nan)

    @property
    def spread(self) -> float:
        """Share by which the largest exceeds the smallest; 0 where there are not two."""
        return self.high / self.low - 1 if self.n > 1 and self.low > 0 else 0.0

    def __str__(self) -> str:
        """Format as ``302 (280 to 324)``; the figure alone where the rounds agree."""
        shown = formatting.number(self.mean)
        ends = [formatting.number(end) for end in (self.low, self.high)]
        return shown if self.n < 2 or ends[0] == ends[1] else f"{shown} ({ends[0]} to {ends[1]})"


@dataclass(frozen=True)
class SpeedPoint:
    """One cell over all its rounds.

    Args:
        x: its size.
        y: the rounds; none where nothing was measured.
        fits: False where the run ran out of memory.
        doubts: the reasons to doubt the figure, in words.
    """

    x: float
    y: Rounds
    fits: bool = True
    doubts: tuple[str, ...] = ()

    @property
    def drawable(self) -> bool:
        return self.x > 0 and math.isfinite(self.y.mean) and self.y.mean > 0


# Lines: cells that differ in the size alone.

MODES = {"inference": "Inference", "training": "Forward and backward", "sampling": "Sampling"}


@dataclass(frozen=True)
class Line:
    """Cells that differ in the swept size alone.

    Args:
        label: the labels in which it differs from the other lines of its mode.
        mode: a key of :data:`MODES`.
        points: by rising size.
        scans: True where its network scans; one that does not has attention.
        conditions: kernel, precision and so on, as in :func:`conditions`.
        runs: its runs, point by point, for tables.
    """

    label: str
    mode: str
    points: tuple[SpeedPoint, ...]
    scans: bool
    conditions: Mapping[str, str]
    runs: tuple[tuple[Run, ...], ...] = field(repr=False)

    @property
    def mode_title(self) -> str:
        return MODES.get(self.mode, self.mode)

    @property
    def measured(self) -> tuple[SpeedPoint, ...]:
        """Points that have a figure."""
        return tuple(point for point in self.points if point.y.n)

    def mean_at(self, x: float) -> float:
        """Return the figure at one size; NaN where there is none."""
        return next((point.y.mean for point in self.measured if point.x == x), math.nan)

    def largest(self) -> tuple[str, float] | None:
        """Return the noun and value of the largest size that fits; None where it was not searched for."""
        for run in (run for runs in self.runs for run in runs):
            for m in run.record.measurements if run.record and run.status == "oom" else ():
                if m.name.startswith("largest_") and m.value:
                    return m.name.removeprefix("largest_").replace("patches", "number of patches"), m.value
        return None


def lines(results: Results, size: SweptSize, metric: str) -> tuple[Line, ...]:
    """Return the suite's cells as lines over ``size``, in the suite's order.

    Different conditions make different lines, and the labels name the conditions.
    """
    values = results.values(metric)
    cells: dict[tuple[str, str, tuple[tuple[str, str], ...]], dict[float, list[Run]]] = {}
    of_run = {run.id: conditions(run) for run in results.runs}
    for run in results.runs:
        x = size.value(run.cell.spec)
        if x is None:
            continue
        # Without a record there is no kernel: the cell belongs to the line of its backbone's other cells.
        here = of_run[run.id] if run.record and run.status == "ok" else _likely_conditions(results, run, of_run)
        key = (_label(results, run, size), _mode(run), tuple(here.items()))
        cells.setdefault(key, {}).setdefault(x, []).append(run)
    varying = _varying([dict(of_line) for _, _, of_line in cells]) - _conditions_on_axes(results)
    series = []
    for (label, mode, of_line), by_size in cells.items():
        differing = [value for name, value in of_line if name in varying]
        runs = tuple(tuple(by_size[x]) for x in sorted(by_size))
        series.append(
            Line(
                f"{label} ({', '.join(differing)})" if differing else label,
                mode,
                tuple(_point(x, by_size[x], values) for x in sorted(by_size)),
                runs[0][0].cell.spec.scan is not None,
                dict(of_line),
                runs,
            )
        )
    return tuple(series)


def by_mode(series: Sequence[Line]) -> dict[str, list[Line]]:
    """Return lines by the title of their mode."""
    modes: dict[str, list[Line]] = {}
    for line in series:
        modes.setdefault(line.mode_title, []).append(line)
    return modes


def _point(x: float, runs: Sequence[Run], values: pd.DataFrame) -> SpeedPoint:
    records = [run.record for run in runs if run.status == "ok" and run.record]
    each = [float(values.loc[run.arm, run.seed]) for run in runs if run.status == "ok"]
    rounds = Rounds(tuple(value for value in each if math.isfinite(value)))
    fits = not any(run.status == "oom" for run in runs)
    return SpeedPoint(float(x), rounds, fits, _doubts(records, rounds))


def _doubts(records: Sequence[Record], rounds: Rounds) -> tuple[str, ...]:
    doubts = []
    disturbed = [m for record in records for m in record.measurements if m.name == "disturbed" and m.value]
    if disturbed:
        reasons = "; ".join(dict.fromkeys(m.note for m in disturbed if m.note))
        doubts.append(f"disturbed ({reasons})" if reasons else "disturbed")
    if not all(record.environment.get("timing", {}).get("steady", True) for record in records):
        doubts.append("never steady")
    if rounds.spread > MAX_SPREAD:
        doubts.append(f"rounds {formatting.percent(rounds.spread)} apart" + ("" if doubts else " (reason unknown)"))
    return tuple(doubts)


def _label(results: Results, run: Run, size: SweptSize) -> str:
    """Join the labels of the axes that change neither size nor mode; the backbone where its axis changes the size."""
    parts = []
    for axis in results.suite.axes:
        if axis.name == SEED or axis.name == "mode":
            continue
        if not size.changed_by(axis):
            parts.append(run.cell.labels[axis.name])
        elif any(path.startswith("backbone.name") for point in axis.points.values() for path in _paths(point)):
            parts.append(run.cell.spec.backbone.name)
    return " · ".join(parts) or run.cell.spec.backbone.name


def _mode(run: Run) -> str:
    return run.cell.spec.efficiency.mode if isinstance(run.cell.spec, EfficiencyRun) else "inference"


# Conditions: everything that a speed depends on besides the compared settings.


def conditions(run: Run) -> dict[str, str]:
    """Return a run's device, kernel of scan or attention, precision, compilation and use of CUDA graphs."""
    values = {}
    environment: Mapping[str, Any] = run.record.environment if run.record else {}
    device = environment.get("device")
    if device == "cpu":
        device = (environment.get("machine") or {}).get("cpu") or device
    if device:
        values["device"] = str(device)
    if environment.get("kernel"):
        values["kernel" if run.cell.spec.scan else "attention"] = str(environment["kernel"])
    if isinstance(run.cell.spec, EfficiencyRun):
        efficiency = run.cell.spec.efficiency
        values["precision"] = efficiency.precision
        values["compiled"] = "compiled" if efficiency.compile else "eager"
        values["graphs"] = "CUDA graphs" if efficiency.cuda_graphs else "no graphs"
    return values


def unlike_conditions(results: Results) -> dict[str, tuple[str, ...]]:
    """Return the conditions that differ between finished runs, with their values, but those that an axis sets."""
    each = [conditions(run) for run in results.finished]
    names = sorted(_varying(each) - _conditions_on_axes(results))
    return {name: tuple(dict.fromkeys(here[name] for here in each if name in here)) for name in names}


def _likely_conditions(results: Results, run: Run, of_run: Mapping[str, dict[str, str]]) -> dict[str, str]:
    """Return the conditions of a run without a result: its own, on the machine and kernel of its backbone's others."""
    name = run.cell.spec.backbone.name
    others = [other for other in results.finished if other.cell.spec.backbone.name == name]
    likely = of_run[others[0].id] if others else {}
    return {**{k: v for k, v in likely.items() if k in ("device", "kernel", "attention")}, **of_run[run.id]}


def _varying(each: Sequence[Mapping[str, str]]) -> set[str]:
    """Return the conditions with more than one value; a line without one does not differ in it."""
    names = {name for here in each for name in here}
    return {name for name in names if len({here[name] for here in each if name in here}) > 1}


def _conditions_on_axes(results: Results) -> set[str]:
    """Return the conditions that an axis of their own sets, so that its labels show them already."""
    names = {"efficiency.precision": "precision", "efficiency.compile": "compiled", "efficiency.cuda_graphs": "graphs"}
    axes = [{path for point in axis.points.values() for path in _paths(point)} for axis in results.suite.axes]
    own = [paths for paths in axes if paths and all(path.startswith("efficiency.") for path in paths)]
    return {names[path] for paths in own for path in paths if path in names}


def _paths(point: Mapping[str, Any], prefix: str = "") -> list[str]:
    return [
        path
        for key, value in point.items()
        for path in (_paths(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [f"{prefix}{key}"])
    ]
