"""A suite's cells joined with their records: the one object that tables, figures and pages read."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from zigbench import scan
from zigbench.records import collect
from zigbench.records.folder import RunFiles, samples_file
from zigbench.records.record import Damaged, Record
from zigbench.records.sources import Sources
from zigbench.report.family import SEED, Family, TestedSuite, arm_name, family_of, family_of_packs, final_values
from zigbench.spec.overrides import flatten
from zigbench.suite import Cell, Suite

PREDICTORS = {
    "zero": "zero",
    "pixelwise": "each pixel by itself",
    "brightness": "mean brightness and two variances",
    "linear": "best linear map",
}
"""Reference predictors by the end of their measurements' names, as a reader sees them."""


@dataclass(frozen=True)
class Run:
    """One cell and its record, where it has a sound one.

    Args:
        cell: the labels and the spec.
        arm: the labels of all axes but the seed, joined.
        seed: the seed's label; "" for a suite without that axis.
        status: the record's status, or missing, interrupted, running, damaged, newer.
        record: None unless finished and sound.
        files: its files, in a folder of its own or in a pack; a folder that is not there for a missing run.
        reason: why there is no usable result; "" for a run that is fine.
    """

    cell: Cell
    arm: str
    seed: str
    status: str
    record: Record | None
    files: RunFiles
    reason: str = ""

    @property
    def id(self) -> str:
        return self.files.id

    @cached_property
    def training_time(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Steps in the run's telemetry, and seconds of training up to each; those of a resumed run are added up."""
        lines = read_lines(self.files.read("telemetry.jsonl"))
        pairs = [(line.get("step"), line.get("seconds")) for line in lines]
        known = [(step, s) for step, s in pairs if isinstance(step, int) and isinstance(s, int | float)]
        return tuple(float(step) for step, _ in known), tuple(float(seconds) for _, seconds in known)

    @property
    def interval(self) -> str:
        """The meaning of the intervals in its record: those of times are ranges of the calls, not of a mean."""
        return "range of 90 % of the calls" if self.cell.spec.task == "efficiency" else "95 % interval"


@dataclass(frozen=True)
class Results:
    """All runs of a suite in the order of its axes, and their measurements as one long frame.

    ``frame`` has the columns of :func:`zigbench.records.collect.frame` and ``arm``, ``seed_label``; all sound records
    are in it, failed ones too, but :meth:`values` reads those of finished runs alone. ``damaged`` are the parts of
    packs that were not used. ``campaign`` is the family of tests of the pack that the runs are from. ``data`` is the
    name of the data set where these are a part of the results, else "".
    """

    suite: Suite
    runs: tuple[Run, ...]
    frame: pd.DataFrame
    damaged: tuple[Damaged, ...] = ()
    campaign: Family | None = None
    data: str = ""

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """Arms in the order of the suite, each network once."""
        return tuple(arm for arm in dict.fromkeys(run.arm for run in self.runs) if arm not in self.twins)

    @cached_property
    def labels(self) -> Mapping[str, Mapping[str, str]]:
        """Labels of each arm on all axes but the seed."""
        labels = {run.arm: {k: v for k, v in run.cell.labels.items() if k != SEED} for run in self.runs}
        return {arm: of for arm, of in labels.items() if arm not in self.twins}

    @cached_property
    def first_axis(self) -> str | None:
        """Name of the axis on which arms are compared: the first that is not the seed."""
        return next((axis.name for axis in self.suite.axes if axis.name != SEED), None)

    @cached_property
    def twins(self) -> Mapping[str, str]:
        """Arms that are the network of another under a second name, by name, with that other arm.

        Two arms are one network where their orders are equal and so is, to the last bit, all that was measured of
        them in every seed. The baseline keeps its name, else the first does.
        """
        figures: dict[str, list[tuple[str, Mapping[str, float]]]] = {}
        examples: dict[str, Run] = {}
        for run in self.runs:
            if run.status == "ok" and run.record is not None and run.cell.spec.task == "train":
                figures.setdefault(run.arm, []).append((run.seed, final_values(run.record)))
                examples[run.arm] = run
        groups: dict[str, list[str]] = {}
        for arm, of in figures.items():
            others = _key(examples[arm].cell.labels, self.first_axis, SEED)
            groups.setdefault(json.dumps([others, sorted(of, key=lambda item: item[0])]), []).append(arm)
        twins: dict[str, str] = {}
        for arms in groups.values():
            first = self.first_axis or ""
            home = next((arm for arm in arms if examples[arm].cell.labels.get(first) == self.baseline), arms[0])
            same = [arm for arm in arms if arm != home and _same_orders(examples[arm], examples[home])]
            twins |= dict.fromkeys(same, home)
        return twins

    @cached_property
    def parts(self) -> Mapping[str, Results]:
        """The results on each data set by its name; themselves, under "", where there is one or speed is measured."""
        if any(run.cell.spec.task != "train" for run in self.runs):
            return {"": self}
        names = _names_of_data([run.cell.spec.data for run in self.runs])
        if len(set(names)) < 2:
            return {"": self}
        parts = {}
        for name in dict.fromkeys(names):
            runs = tuple(run for run, of in zip(self.runs, names, strict=True) if of == name)
            frame = self.frame[self.frame["run"].isin([run.id for run in runs])].reset_index(drop=True)
            parts[name] = replace(self, runs=runs, frame=frame, campaign=self.family, data=name)
        return parts

    @cached_property
    def family(self) -> Family:
        """Tests that this suite's are corrected with: those of the campaign, or its own where there is none."""
        if self.campaign is not None:
            return self.campaign
        runs = [(run.cell.labels, run.record) for run in self.runs if run.status == "ok" and run.record is not None]
        return family_of([TestedSuite(self.suite.name, self.suite.to_json(), runs)])

    @cached_property
    def seeds(self) -> tuple[str, ...]:
        """Labels of the seeds."""
        return tuple(dict.fromkeys(run.seed for run in self.runs))

    @cached_property
    def by_arm(self) -> Mapping[str, tuple[Run, ...]]:
        """Runs of each arm, in the order of their seeds."""
        return {arm: tuple(run for run in self.runs if run.arm == arm) for arm in self.arms}

    @property
    def finished(self) -> tuple[Run, ...]:
        """Runs whose record is sound and says ok."""
        return tuple(run for run in self.runs if run.status == "ok")

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The suite's metrics that any finished run has; where it has none of them, all that were measured."""
        measured = list(dict.fromkeys(self._final["metric"].tolist()))
        references = {f"{metric}_{name}" for metric in measured for name in PREDICTORS}
        of_networks = tuple(metric for metric in measured if metric not in references and "[" not in metric)
        return tuple(m for m in self.suite.metrics if m in measured) or of_networks

    @cached_property
    def further_metrics(self) -> tuple[str, ...]:
        """The metrics that runs were asked to measure and the suite does not list, as far as any finished run has."""
        wanted = dict.fromkeys(name for run in self.runs for name in run.cell.spec.evaluation.metrics)
        return tuple(name for name in wanted if name not in self.metrics and self.rows(name).size)

    @cached_property
    def _final(self) -> pd.DataFrame:
        """A row per finished run and metric: the figure for the run as a whole, else that of its last step."""
        if self.frame.empty:
            return self.frame
        known = (self.frame["status"] == "ok") & self.frame["metric"].notna() & (self.frame["repeat"] == 0)
        table = self.frame.loc[known, ["run", "arm", "seed_label", *collect.FIGURE]]
        steps = pd.to_numeric(table["step"]).fillna(np.inf)
        table = table.assign(_step=steps).sort_values("_step", kind="stable")
        return table.drop_duplicates(["run", "metric"], keep="last").drop(columns="_step").sort_index()

    @cached_property
    def _by_metric(self) -> Mapping[str, pd.DataFrame]:
        return {str(metric): rows for metric, rows in self._final.groupby("metric", sort=False)}

    def rows(self, metric: str) -> pd.DataFrame:
        """Return the final measurement of ``metric``, a row per finished run: its figures, run, arm and seed_label."""
        return self._by_metric.get(metric, self._final.iloc[:0])

    def values(self, metric: str) -> pd.DataFrame:
        """Return the final values, arm × seed in the suite's order; NaN where there is none."""
        table = self.rows(metric)
        by_cell = dict(zip(zip(table["arm"], table["seed_label"], strict=True), table["value"], strict=True))
        data = [[by_cell.get((arm, seed), np.nan) for seed in self.seeds] for arm in self.arms]
        values = pd.DataFrame(data, index=list(self.arms), columns=list(self.seeds), dtype=float)
        return values.replace([np.inf, -np.inf], np.nan)

    def groups(self, metric: str) -> Mapping[str, str]:
        """Return the groups of held-out samples that were measured by themselves, and the name of each one's figure."""
        names = [str(name) for name in self._by_metric if str(name).startswith(f"{metric}[")]
        return {name[len(metric) + 1 : -1]: name for name in names}

    def direction(self, metric: str) -> bool | None:
        """Return True where higher is better, False where lower is; None where neither is or the records disagree."""
        directions = {value for value in self.rows(metric)["higher_is_better"] if value is not None and value == value}
        return bool(directions.pop()) if len(directions) == 1 else None

    def unit(self, metric: str) -> str:
        """Return the metric's unit, or "" where the records disagree."""
        units = set(self.rows(metric)["unit"])
        return str(units.pop()) if len(units) == 1 else ""

    def protocols(self, metric: str) -> tuple[str, ...]:
        """Return the hashes of the protocols of ``metric``'s figures; figures of several protocols must be marked."""
        return tuple(sorted({str(p) for p in self.rows(metric)["protocol"] if isinstance(p, str)}))

    def as_seen(self, protocol: str, *, sampler: bool = True) -> str:
        """Return the hash of a recorded protocol as the metric sees it; figures of equal ones are comparable.

        Args:
            protocol: the recorded hash.
            sampler: whether the sampler is a condition: not between two arms, whose specs state where theirs differ.
        """
        seen = self._protocols_as_seen.get(protocol)
        return protocol if seen is None else seen[0 if sampler else 1]

    @cached_property
    def _protocols_as_seen(self) -> Mapping[str, tuple[str, str]]:
        """Hashes with and without the sampler by the recorded ones; read only of metrics that have several."""
        from zigbench.evaluation import read_protocols  # Of the room that measures: only where protocols differ.

        hashes = self._final[["metric", "protocol", "run"]].dropna().drop_duplicates(["metric", "protocol"])
        several = hashes[hashes.duplicated("metric", keep=False)]
        files = {run.id: run.files for run in self.runs}
        seen: dict[str, tuple[str, str]] = {}
        for run in several["run"].unique():
            with contextlib.suppress(ValueError, OSError):  # A run without them keeps the recorded hashes.
                read = read_protocols(files[str(run)])
                seen |= {name: (each.as_seen.hash, each.without_sampler.hash) for name, each in read.items()}
        return seen

    @cached_property
    def baseline(self) -> str | None:
        """Label on the first axis that the others are compared with."""
        axes = [axis for axis in self.suite.axes if axis.name != SEED]
        if not axes:
            return None
        return self.suite.baseline or next(iter(axes[0].points))

    def against_baseline(self) -> tuple[tuple[str, str], ...]:
        """Return pairs (arm, its baseline): the baseline's label on the first axis, and the arm's on all others."""
        first, labels = self.first_axis, self.labels
        home = {_key(label, first): arm for arm, label in labels.items() if label.get(first or "") == self.baseline}
        pairs = [(arm, home.get(_key(label, first))) for arm, label in labels.items()]
        return tuple((arm, other) for arm, other in pairs if other is not None and arm != other)


Of = TypeVar("Of")


def once(compute: Callable[[Results, str], Of]) -> Callable[[Results, str], Of]:
    """Compute a function of results and a metric once for each of them: tables and figures share it."""

    @wraps(compute)
    def computed(results: Results, metric: str) -> Of:
        known: dict[tuple[str, str], Of] = results.__dict__.setdefault("_once", {})
        key = (compute.__name__, metric)
        if key not in known:
            known[key] = compute(results, metric)
        return known[key]

    return computed


def join(suite: Suite, cells: Sequence[Cell], root: Path | Sequence[Path]) -> Results:
    """Read the records of ``cells`` under ``root``; a folder that does not exist has no records.

    Of a run that was recorded more than once the first record counts; the others are in the frame.
    """
    sources = Sources.of(root)
    collected = collect.scan(sources, only=[cell.spec.id for cell in cells])
    recorded = {record.id: (files, record) for files, record in reversed(collected.records)}
    damaged = {item.run: item for item in collected.damaged}
    runs = []
    for cell in cells:
        identity = cell.spec.id
        folder = sources.folder(identity)
        files, record = recorded.get(identity, (folder, None))
        fault = damaged.get(identity)
        reason = fault.reason if fault else ""
        if record is not None:
            status = str(record.status)
            reason = f"{record.error.kind}: {record.error.message}" if record.error else ""
        else:
            status = fault.state if fault else folder.shown(folder.state())
        runs.append(Run(cell, arm_of(cell), seed_of(cell), status, record, files, reason))
    frame = collected.frame()
    places = {run.id: run for run in runs}
    frame["arm"] = [places[run].arm for run in frame["run"]]
    frame["seed_label"] = [places[run].seed for run in frame["run"]]
    order = {run.id: position for position, run in enumerate(runs)}
    frame = frame.sort_values("run", key=lambda column: column.map(order), kind="stable", ignore_index=True)
    campaign = family_of_packs(sources, (cell.spec.id for cell in cells))
    return Results(suite, tuple(runs), frame, tuple(item for item in collected.damaged if not item.run), campaign)


def arm_of(cell: Cell) -> str:
    """Return the name of a cell's arm; the cell's own where the seed is the only axis."""
    return arm_name(cell.labels) or cell.name


def seed_of(cell: Cell) -> str:
    return cell.labels.get(SEED, "")


def read_lines(content: bytes | None, limit: int | None = None) -> list[dict[str, Any]]:
    """Return the objects in lines of JSON; an incomplete last line and a missing file are no fault.

    With a ``limit``, lines are taken at even distances from a longer file, the last always among them.
    """
    lines = (content or b"").decode(errors="replace").splitlines()
    if limit is not None and len(lines) > limit:
        lines = lines[:: -(-len(lines) // limit)] + lines[-1:]
    try:  # All at once, which takes a third of the time.
        rows = json.loads(f"[{','.join(lines)}]")
    except ValueError:
        rows = []
    if len(rows) != len(lines):
        rows = list(_read_each(lines))
    return [row for row in rows if isinstance(row, dict)]


def _read_each(lines: Sequence[str]) -> Iterator[Any]:
    for line in lines:
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def logs(results: Results) -> pd.DataFrame:
    """Return the training logs of every run, long: arm, seed_label, step, loss."""
    rows = [
        (run.arm, run.seed, row["step"], row["loss"])
        for run in results.runs
        for row in read_lines(run.files.read("log.jsonl"), limit=2000)
        if isinstance(row.get("step"), int) and isinstance(row.get("loss"), int | float)
    ]
    return pd.DataFrame(rows, columns=["arm", "seed_label", "step", "loss"])


def samples(run: Run, name: str = "samples.npy") -> np.ndarray | None:
    """Return the samples of one of a run's files, uint8 (N, C, H, W) or (N, T, C, H, W); None where it has none."""
    try:
        images = np.load(io.BytesIO(run.files.read(name) or b""), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return images if images.dtype == np.uint8 and images.ndim in (4, 5) and images.size else None


def samples_along(run: Run) -> dict[int, np.ndarray]:
    """Return the samples drawn along the run's training, by step, the steps increasing; packs have none."""
    steps = run.cell.spec.evaluation.at if run.cell.spec.task == "train" else ()
    by_step = {step: samples(run, samples_file(step)) for step in steps}
    return {step: images for step, images in by_step.items() if images is not None}


def _names_of_data(data: Sequence[Any]) -> list[str]:
    """Return a name for the data set of each run; what tells sets of one loader apart stands in brackets."""
    texts = {id(item): (item.name, tuple((k, str(v)) for k, v in flatten(_images_of(item)).items())) for item in data}
    settings: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for name, facts in texts.values():
        settings.setdefault(name, set()).add(facts)
    names = []
    for item in data:
        name, facts = texts[id(item)]
        shared = set.intersection(*map(set, settings[name]))
        own = ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in facts if (key, value) not in shared)
        names.append(f"{name} ({own})" if own else name)
    return names


def _images_of(data: Any) -> dict[str, Any]:
    """Return the settings of a data set that its images depend on, and not their labels or texts alone."""
    body: dict[str, Any] = data.model_dump(mode="json")
    config = {key: value for key, value in body["config"].items() if key not in data.config.conditions}
    return {**body, "config": config}


def _same_orders(a: Run, b: Run) -> bool:
    """Return True where two runs' networks visit the tokens in the same orders.

    Backbones count directions each in its way (a sweep both ways is two of one, one of another): of two different ones
    the first order is compared.
    """
    one, other = a.cell.spec.scan, b.cell.spec.scan
    if one is None or other is None:
        return one is other
    alike = a.cell.spec.backbone.name == b.cell.spec.backbone.name
    if alike and one.schemes != other.schemes:
        return False
    count = min(one.schemes, scan.VARIANTS) if alike else 1
    grids = [run.cell.spec.config.scan_grid(run.cell.spec.geometry) for run in (a, b)]
    return grids[0] == grids[1] and all(
        np.array_equal(scan.make_order(one.curve, grids[0], v).order, scan.make_order(other.curve, grids[0], v).order)
        for v in range(count)
    )


def _key(labels: Mapping[str, str], *without: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((axis, label) for axis, label in labels.items() if axis not in without)
