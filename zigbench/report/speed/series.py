"""Speed and memory over a size: cells as lines, none of which joins what was measured under unlike conditions.

The rounds of such a suite are its seeds, so that whatever is said of seeds elsewhere holds for rounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from zigbench.records.record import Record
from zigbench.report.figures.speed import APART, Rounds, Spot
from zigbench.report.results import SEED, Results, Run
from zigbench.spec import EfficiencyRun
from zigbench.suite import Axis


@dataclass(frozen=True)
class Dial:
    """A size that is turned.

    Args:
        title: its name on an axis.
        of: its value in a run.
        keys: of the spec, that move it.
        span: from one value to another, in words.
        law: what the exponent of the speed over it means.
    """

    title: str
    of: Callable[[Run], float | None]
    keys: tuple[str, ...]
    span: str
    law: str

    def moved_by(self, axis: Axis) -> bool:
        """Whether any point of the axis sets one of the keys."""
        set_here = {path for point in axis.points.values() for path in _paths(point)}
        return any(path == key or path.startswith(f"{key}.") for path in set_here for key in self.keys)


def _schemes(run: Run) -> float | None:
    return run.cell.spec.scan.schemes if run.cell.spec.scan else None


def _batch(run: Run) -> float | None:
    return run.cell.spec.efficiency.batch if isinstance(run.cell.spec, EfficiencyRun) else None


DIALS: Mapping[str, Dial] = {
    "throughput": Dial(
        "Patches",
        lambda run: run.cell.spec.geometry.tokens,
        ("data", "backbone.patch"),
        "From {} to {} patches",
        "−1 where the cost is in proportion, −2 where it grows with the square; nearer to 0 where the device is not "
        "yet busy, which the largest sizes alone tell apart",
    ),
    "throughput_orf": Dial(
        "Directions (schemes)",
        _schemes,
        ("scan.schemes", "backbone.config.schemes"),
        "From {} to {} directions",
        "0 where a direction more costs nothing, −1 where the cost is in proportion",
    ),
    "throughput_batch": Dial(
        "Batch",
        _batch,
        ("efficiency.batch",),
        "From a batch of {} to one of {}",
        "0 where the cost is in proportion, +1 where an image more costs nothing, as the device is not yet busy",
    ),
    "throughput_sampling": Dial(
        "Network evaluations",
        lambda run: run.cell.spec.sampler.network_evaluations,
        ("sampler",),
        "From {} to {} network evaluations",
        "−1 where the cost is in proportion, nearer to 0 where something else takes the time",
    ),
}
"""By the name of the figure that draws speed over it."""

MODES = {"inference": "Inference", "training": "Forward and backward", "sampling": "Sampling"}


@dataclass(frozen=True)
class Line:
    """Cells that differ in the dial alone.

    Args:
        label: what sets it apart from the other lines of its mode.
        mode: of :data:`MODES`.
        spots: by rising x.
        scans: whether its network scans; one that does not has attention.
        conditions: kernel, precision and so on, as in :func:`conditions`.
        runs: its runs, for tables.
    """

    label: str
    mode: str
    spots: tuple[Spot, ...]
    scans: bool
    conditions: Mapping[str, str]
    runs: tuple[tuple[Run, ...], ...] = field(repr=False)

    @property
    def measured(self) -> tuple[Spot, ...]:
        return tuple(spot for spot in self.spots if spot.y.n)


def dial_of(found: Results) -> Dial | None:
    """The dial of the first figure of speed that the suite asks for; None where it asks for none."""
    return next((DIALS[name] for name in found.suite.figures if name in DIALS), None)


def conditions(run: Run) -> dict[str, str]:
    """What a speed depends on beside what is compared: device, kernel of scan or attention, precision and so on."""
    said = {}
    environment: Mapping[str, Any] = run.record.environment if run.record else {}
    device = environment.get("device")
    if device == "cpu":
        device = (environment.get("machine") or {}).get("cpu") or device
    if device:
        said["device"] = str(device)
    if environment.get("kernel"):
        said["kernel" if run.cell.spec.scan else "attention"] = str(environment["kernel"])
    if isinstance(run.cell.spec, EfficiencyRun):
        asked = run.cell.spec.efficiency
        said["precision"] = asked.precision
        said["compiled"] = "compiled" if asked.compile else "eager"
        said["graphs"] = "CUDA graphs" if asked.cuda_graphs else "no graphs"
    return said


def lines(found: Results, dial: Dial, metric: str) -> tuple[Line, ...]:
    """The suite's cells as lines over ``dial``, in the suite's order.

    Unlike conditions make lines of their own, and are named in their labels.
    """
    values = found.values(metric)
    cells: dict[tuple[str, str, tuple[tuple[str, str], ...]], dict[float, list[Run]]] = {}
    known = {run.id: conditions(run) for run in found.runs}
    for run in found.runs:
        x = dial.of(run)
        if x is None:
            continue
        # Without a record there is no kernel: the cell belongs to the line of its fellows.
        here = known[run.id] if run.record and run.status == "ok" else _likely(found, run, known)
        key = (_label(found, run, dial), _mode(run), tuple(here.items()))
        cells.setdefault(key, {}).setdefault(x, []).append(run)
    varying = _varying([dict(here) for _, _, here in cells]) - _spelled(found)
    made = []
    for (label, mode, under), by_x in cells.items():
        told = [value for name, value in under if name in varying]
        spots = [_spot(x, by_x[x], values) for x in sorted(by_x)]
        first = next(iter(by_x.values()))[0]
        made.append(
            Line(
                f"{label} ({', '.join(told)})" if told else label,
                mode,
                tuple(spots),
                first.cell.spec.scan is not None,
                dict(under),
                tuple(tuple(by_x[x]) for x in sorted(by_x)),
            )
        )
    return tuple(made)


def unlike(found: Results) -> dict[str, tuple[str, ...]]:
    """Conditions that differ between finished runs, with their values; those that an axis sets are left out."""
    each = [conditions(run) for run in found.finished]
    names = sorted(_varying(each) - _spelled(found))
    return {name: tuple(dict.fromkeys(here[name] for here in each if name in here)) for name in names}


def by_mode(made: Sequence[Line]) -> dict[str, list[Line]]:
    """Lines by the words for their mode."""
    panels: dict[str, list[Line]] = {}
    for line in made:
        panels.setdefault(MODES.get(line.mode, line.mode), []).append(line)
    return panels


def _spot(x: float, runs: Sequence[Run], values: pd.DataFrame) -> Spot:
    records = [run.record for run in runs if run.status == "ok" and run.record]
    each = [float(values.loc[run.arm, run.seed]) for run in runs if run.status == "ok"]
    rounds = Rounds(tuple(value for value in each if math.isfinite(value)))
    fits = not any(run.status == "oom" for run in runs)
    return Spot(float(x), rounds, fits, _doubts(records, rounds))


def _doubts(records: Sequence[Record], rounds: Rounds) -> tuple[str, ...]:
    """Why not to build on a cell's speed: what disturbed it, that it was never steady, that its rounds disagree."""
    said = []
    disturbed = [m for record in records for m in record.measurements if m.name == "disturbed" and m.value]
    if disturbed:
        why = "; ".join(dict.fromkeys(m.note for m in disturbed if m.note))
        said.append(f"disturbed ({why})" if why else "disturbed")
    if not all(record.environment.get("timing", {}).get("steady", True) for record in records):
        said.append("never steady")
    if rounds.apart > APART:
        said.append(f"rounds {100 * rounds.apart:.1f} % apart" + ("" if said else " (nothing was noticed)"))
    return tuple(said)


def _label(found: Results, run: Run, dial: Dial) -> str:
    """The labels of the axes that move neither the dial nor the mode; the backbone where its axis moves the dial."""
    parts = []
    for axis in found.suite.axes:
        if axis.name == SEED or axis.name == "mode":
            continue
        if not dial.moved_by(axis):
            parts.append(run.cell.labels[axis.name])
        elif any(path.startswith("backbone.name") for point in axis.points.values() for path in _paths(point)):
            parts.append(run.cell.spec.backbone.name)
    return " · ".join(parts) or run.cell.spec.backbone.name


def _mode(run: Run) -> str:
    return run.cell.spec.efficiency.mode if isinstance(run.cell.spec, EfficiencyRun) else "inference"


def _likely(found: Results, run: Run, known: Mapping[str, dict[str, str]]) -> dict[str, str]:
    """Conditions of a run without a result: those it asks for, on the machine and kernel of its backbone's others."""
    name = run.cell.spec.backbone.name
    fellows = [other for other in found.finished if other.cell.spec.backbone.name == name]
    theirs = known[fellows[0].id] if fellows else {}
    return {**{k: v for k, v in theirs.items() if k in ("device", "kernel", "attention")}, **known[run.id]}


def _varying(each: Sequence[Mapping[str, str]]) -> set[str]:
    """Conditions with more than one value; a line that lacks one does not differ in it."""
    names = {name for here in each for name in here}
    return {name for name in names if len({here[name] for here in each if name in here}) > 1}


def _spelled(found: Results) -> set[str]:
    """Conditions that an axis of their own sets, and so its labels tell: an arm's label need not tell its precision."""
    names = {"efficiency.precision": "precision", "efficiency.compile": "compiled", "efficiency.cuda_graphs": "graphs"}
    axes = [{path for point in axis.points.values() for path in _paths(point)} for axis in found.suite.axes]
    own = [paths for paths in axes if paths and all(path.startswith("efficiency.") for path in paths)]
    return {names[path] for paths in own for path in paths if path in names}


def _paths(point: Mapping[str, Any], prefix: str = "") -> list[str]:
    return [
        path
        for key, value in point.items()
        for path in (_paths(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [f"{prefix}{key}"])
    ]
