"""Published figures: read, checked, and compared with the measured ones."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from zigbench.report import formatting, provenance
from zigbench.report.family import JOIN, bare_name
from zigbench.report.lasting import diagnostics
from zigbench.report.ranks import RankAgreement, kendall
from zigbench.report.results import Results
from zigbench.report.statistics import mean_interval
from zigbench.report.table import Column, Entry, Table, finite

_CHECKOUT = Path(__file__).resolve().parents[2] / "results/published.csv"
PUBLISHED = _CHECKOUT if _CHECKOUT.exists() else Path("results/published.csv")
COLUMNS = ("table", "source", "dataset", "resolution", "method", "metric", "value", "setting", "not_comparable")
OPTIONAL = ("setting", "not_comparable")

REASONS: Mapping[str, str] = {
    "method": "no suite trains this method",
    "metric": "no suite on this question measures this",
    "data": "no suite has these data",
    "average": "an average over settings that no run has",
}
"""Reasons for which a published figure is laid beside no measured one."""

# Every other published metric is a distance, a cost or a size: lower is better.
HIGHER_IS_BETTER = frozenset({"iterations_per_s", "fps", "inception_score", "clip"})

# Figures of which the order says nothing about that of FID: each is compared with the same measured figure alone.
COSTS = frozenset({"iterations_per_s", "fps", "memory_gb", "gflops", "nfe", "nll", "clip"})

MEASURED_COSTS = frozenset({"fps", "latency", "flops_matrix", "memory_allocated"})

CONVERSIONS: Mapping[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]] = {
    "gflops": ("flops_matrix", lambda operations: operations / 2e9),
    "memory_gb": ("memory_allocated", lambda size: size / 1e9),
    "iterations_per_s": ("latency", lambda seconds: 1 / seconds),
}
"""Published costs that are measured in another unit: the metric, and its values in the published unit.

The published FLOPs are multiplications with an addition each, of matrix products alone, as the usual counters have it.
"""

# The released code gave these extractors pixels on another scale than that of their training.
AS_RELEASED = {"fdd": "fdd_released", "fvd": "fvd_released"}


@dataclass(frozen=True)
class Figure:
    """One published figure and its source.

    ``setting`` is ``key=value;key=value`` or ""; ``not_comparable`` one of :data:`REASONS` or "".
    """

    table: str
    source: str
    dataset: str
    resolution: str
    method: str
    metric: str
    value: float
    setting: str
    not_comparable: str = ""

    @property
    def name(self) -> str:
        """Method and setting, which together are unique within a table, data set and metric."""
        return f"{self.method} ({self.setting.replace(';', ', ')})" if self.setting else self.method

    def arms(self) -> frozenset[str]:
        """Return the labels of arms that this figure is of: the method, or it with its resolution or setting."""
        values = [part.partition("=")[2] for part in self.setting.split(";") if part]
        labels = ([self.method], [self.name], [self.method, self.resolution], [self.method, *values])
        return frozenset(map(JOIN.join, (*labels, [*values, self.method])))


def read(path: Path = PUBLISHED) -> tuple[Figure, ...]:
    """Read and check a table of published figures.

    Raises:
        ValueError: lists every row that is wrong: a missing source or value, a value that is no number, one figure
            stated twice with different values, a reason that is none of :data:`REASONS`.
        OSError: the file can't be read.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) not in (COLUMNS, COLUMNS[:-1]):  # A file of one's own may know no reasons.
            raise ValueError(f"{path}: its columns are {reader.fieldnames}; expected {list(COLUMNS)}")
        faults: list[str] = []
        figures: list[Figure] = []
        seen: dict[tuple[str, ...], int] = {}
        for line, row in enumerate(reader, start=2):
            problems = [f"{key} is empty" for key in COLUMNS if key not in OPTIONAL and not (row[key] or "").strip()]
            problems += ["it has more columns than the header"] if None in row else []
            try:
                value = float(row["value"] or "nan")
            except ValueError:
                value = math.nan
            if not math.isfinite(value) and row["value"]:
                problems.append(f"value {row['value']!r} is not a finite number")
            if any("=" not in part for part in (row["setting"] or "").split(";") if part):
                problems.append(f"setting {row['setting']!r} is not key=value;key=value")
            if (reason := row.get("not_comparable")) and reason not in REASONS:
                problems.append(f"not_comparable {reason!r} is none of {', '.join(REASONS)}")
            identity = tuple(row[key] or "" for key in COLUMNS[:-1] if key not in ("value", "source"))
            if identity in seen:
                problems.append(f"states the same figure as line {seen[identity]}")
            seen.setdefault(identity, line)
            faults += [f"line {line}: {problem}" for problem in problems]
            if not problems:
                words = {key: str(row.get(key) or "") for key in COLUMNS if key != "value"}
                figures.append(Figure(**words, value=value))
    if faults:
        raise ValueError(f"{path}: " + "; ".join(faults))
    return tuple(figures)


@dataclass(frozen=True)
class PublishedColumn:
    """One published column (table, data set, resolution, metric) beside a measured metric.

    ``published`` and ``measured`` hold the arms both have; they are comparable as numbers only where ``same_metric``
    is True (the metric and the number of samples are the same), as ranks in any case. ``agreements`` has the agreement
    of the ranks for each reading: where two arms stand for one published figure, the arms of the reading are named.
    ``least`` has the best value of all steps at which runs were measured, a mean over seeds; empty where they were
    measured at their end alone. ``data`` is the data set of the measured figures, where the suite has several.
    """

    table: str
    source: str
    dataset: str
    resolution: str
    metric: str
    measured_metric: str
    published: Mapping[str, float]
    measured: Mapping[str, float]
    names: Mapping[str, str]
    higher_is_better: bool
    same_metric: bool
    agreements: Mapping[str, RankAgreement]
    data: str = ""
    least: Mapping[str, float] = field(default_factory=dict)

    @property
    def heading(self) -> str:
        """Metric, data set and resolution."""
        return f"{formatting.title(self.metric)}, {self.dataset} {self.resolution}"


def compare(results: Results, figures: Sequence[Figure]) -> tuple[PublishedColumn, ...]:
    """Return each published column that shares an arm with the suite, in the order of the file."""
    columns = []
    bare = {run.arm: bare_name(run.cell.labels) for run in results.runs}
    twins = {arm: (arm, *(twin for twin, home in results.twins.items() if home == arm)) for arm in results.arms}
    names = {arm: {name for twin in every for name in (twin, bare[twin])} for arm, every in twins.items()}
    for key, column in by_column(_of_suite(results, figures)).items():
        metric = nearest(key[-1], results.metrics)
        by_arm = figures_by_arm(names, results.suite.published_as, column)
        if metric is None or not by_arm:
            continue
        _, converted = CONVERSIONS.get(key[-1], ("", None))
        values = results.values(metric) if converted is None else converted(results.values(metric))
        means = values.apply(lambda row: mean_interval(row).mean, axis=1)
        published = {arm: figure.value for arm, figure in by_arm.items()}
        measured = {arm: float(means[arm]) for arm in by_arm}
        sign = 1 if key[-1] in HIGHER_IS_BETTER else -1
        higher = key[-1] in HIGHER_IS_BETTER if converted else results.direction(metric) is True
        goodness = values if higher else -values
        agreements = {
            reading: kendall({arm: sign * published[arm] for arm in arms}, goodness)
            for reading, arms in _readings(by_arm).items()
            if len(arms) > 1
        }
        titles = {arm: figure.name for arm, figure in by_arm.items()}
        name, count = _split_count(key[-1])
        same = converted is not None or metric == AS_RELEASED.get(name, name)
        same = same and (count is None or provenance.sample_count(results, metric, by_arm) == count)
        columns.append(
            PublishedColumn(
                *key,
                key[-1] if converted else metric,
                published,
                measured,
                titles,
                higher,
                same,
                agreements,
                results.data,
                _best_along(results, metric, by_arm, higher),
            )
        )
    return tuple(columns)


def by_column(figures: Iterable[Figure]) -> dict[tuple[str, str, str, str, str], list[Figure]]:
    """Return figures by their table, source, data set, resolution and metric."""
    columns: dict[tuple[str, str, str, str, str], list[Figure]] = {}
    for figure in figures:
        key = (figure.table, figure.source, figure.dataset, figure.resolution, figure.metric)
        columns.setdefault(key, []).append(figure)
    return columns


def _best_along(results: Results, metric: str, arms: Iterable[str], higher: bool) -> dict[str, float]:
    """Return the best of each arm's values along its training, a mean over seeds; empty without such values."""
    curves = diagnostics(results, metric)
    curves = curves[curves["arm"].isin(list(arms))]
    best = curves.groupby(["arm", "seed_label"])["value"].agg("max" if higher else "min")
    return {str(arm): float(mean) for arm, mean in best.groupby("arm").mean().items()}


def _of_suite(results: Results, figures: Sequence[Figure]) -> list[Figure]:
    """Return the figures of the tables that the suite names."""
    return [figure for figure in figures if figure.table in results.suite.published]


def figures_by_arm(
    arms: Mapping[str, Set[str]], published_as: Mapping[str, str], column: Sequence[Figure]
) -> dict[str, Figure]:
    """Return the figure of each arm that exactly one figure of the column is of.

    A method stated under several settings matches no arm by its name alone: which one would be a guess, unless the
    suite names the very figure (the one without a setting by the method), which is then of no other arm.

    Args:
        arms: every name of each arm, which has several where two arms are one network.
        published_as: published methods by arm, where the names differ.
        column: figures of one column.
    """
    by_arm = {}
    comparable = [figure for figure in column if not figure.not_comparable]
    named = set(published_as.values())
    for arm, names in arms.items():
        aliases = {published_as[name] for name in names if name in published_as}
        matches = [f for f in comparable if f.name in aliases] or [
            f
            for f in comparable
            if (names & f.arms() or aliases & {f.method, f.name}) and not (f.setting and f.name in named)
        ]
        if len(matches) == 1:
            by_arm[arm] = matches[0]
    return by_arm


def _readings(by_arm: Mapping[str, Figure]) -> dict[str, list[str]]:
    """Return the arms of each reading of a published column, in which each figure has one arm.

    Where two arms stand for one figure (the released Hilbert scan and the curve it is named after), one reading takes
    the arms that bear the published names, and another those that the suite lays beside them.
    """
    of_figure: dict[str, list[str]] = {}
    for arm, figure in by_arm.items():
        of_figure.setdefault(figure.name, []).append(arm)
    if all(len(arms) == 1 for arms in of_figure.values()):
        return {"": list(by_arm)}
    readings = {}
    for own in (True, False):
        chosen = [min(arms, key=lambda arm: (arm in by_arm[arm].arms()) != own) for arms in of_figure.values()]
        doubled = [arm for arm, arms in zip(chosen, of_figure.values(), strict=True) if len(arms) > 1]
        readings[f"with {formatting.join(doubled)}"] = [arm for arm in by_arm if arm in chosen]
    return readings


def nearest(published: str, measured: Sequence[str]) -> str | None:
    """Return the measured metric to compare with a published one: the same, or for one of quality the first."""
    if published in CONVERSIONS:
        metric = CONVERSIONS[published][0]
        return metric if metric in measured else None
    name, _ = _split_count(published)
    alike = next((metric for metric in (AS_RELEASED.get(name, name), name) if metric in measured), None)
    first = measured[0] if measured and measured[0] not in MEASURED_COSTS else None
    return alike or (None if name in COSTS else first)


def _split_count(published: str) -> tuple[str, int | None]:
    """Split ``fid5k`` into FID and 5,000 samples; None for a metric that names no number of them."""
    match = re.fullmatch(r"(.+?)(\d+)k", published)
    return (match[1], 1000 * int(match[2])) if match else (published, None)


def comparison_tables(columns: Sequence[PublishedColumn]) -> list[Table]:
    """Return a table for each published table and source."""
    groups: dict[tuple[str, str, str], list[PublishedColumn]] = {}
    for column in columns:
        groups.setdefault((column.table, column.source, column.data), []).append(column)
    return [comparison_table(group) for group in groups.values()]


def comparison_table(group: Sequence[PublishedColumn]) -> Table:
    """Return published figures beside measured ones, with their ranks, and below it the agreement of the ranks.

    Args:
        group: the columns of one table and source, at least one.
    """
    arms = list(dict.fromkeys(arm for column in group for arm in column.published))
    names = {arm: name for column in reversed(group) for arm, name in column.names.items()}
    columns, cells, notes = [Column("Arm"), Column("Published as")], [[Entry(a), Entry(names[a])] for a in arms], []
    for column in group:
        columns.append(Column(f"Published {column.heading}", True))
        _add_ranked(cells, arms, column.published, column.metric in HIGHER_IS_BETTER, "{:g}".format)
        notes += [
            f"Rank agreement with {column.heading}{f', {reading}' if reading else ''}: {_format_agreement(agreement)}."
            for reading, agreement in column.agreements.items()
        ]
        notes += _size_note(column)
    by_metric = {column.measured_metric: column for column in reversed(group)}
    for metric in reversed(by_metric):
        measured = {arm: v for c in group if c.measured_metric == metric for arm, v in c.measured.items()}
        columns.append(Column(f"Measured {formatting.title(metric)}", True))
        _add_ranked(cells, arms, measured, by_metric[metric].higher_is_better, formatting.number)
        if least := {arm: v for c in group if c.measured_metric == metric for arm, v in c.least.items()}:
            word = "highest" if by_metric[metric].higher_is_better else "least"
            columns.append(Column(f"Measured {formatting.title(metric)}, {word} of all steps", True))
            _add_ranked(cells, arms, least, by_metric[metric].higher_is_better, formatting.number)
    for column in group:
        if column.same_metric:
            gaps = {arm: column.measured[arm] - value for arm, value in column.published.items()}
            columns.append(Column(f"Measured − published {column.heading}", True))
            for arm, row in zip(arms, cells, strict=True):
                gap = gaps.get(arm, math.nan)
                row.append(Entry(formatting.signed(gap), finite(gap)))
    notes.insert(
        0,
        f"Source: {group[0].source}. In brackets: the rank in the column, 1 is best, and the place between the best, "
        "0 %, and the worst, 100 %.",
    )
    if unlike := dict.fromkeys(formatting.title(c.metric) for c in group if not c.same_metric):
        notes.append(
            f"Measured and published {formatting.join(list(unlike))} differ in kind or in the number of samples: "
            "compare their order, not their size."
        )
    rows = tuple(tuple(row) for row in cells)
    title = f"Published beside measured: {group[0].table.replace('_', ' ')}"
    name = f"published-{formatting.slug(group[0].table)}"
    if group[0].data:
        name, title = f"{name}-{formatting.slug(group[0].data)}", f"{title}, {group[0].data}"
    return Table(name, title, tuple(columns), rows, tuple(notes))


def _places(values: Mapping[str, float], higher: bool) -> dict[str, float]:
    """Return the place of each finite value between the best (0) and the worst (1); none where all are equal."""
    finite_values = {arm: value for arm, value in values.items() if math.isfinite(value)}
    low, high = min(finite_values.values(), default=0.0), max(finite_values.values(), default=0.0)
    if low == high:
        return {}
    best, worst = (high, low) if higher else (low, high)
    return {arm: (value - best) / (worst - best) for arm, value in finite_values.items()}


def _size_note(column: PublishedColumn) -> list[str]:
    """Return a note on where the sizes of published and measured differences are furthest apart, and their ratios."""
    published = _places(column.published, column.metric in HIGHER_IS_BETTER)
    measured = _places(column.measured, column.higher_is_better)
    shared = [arm for arm in published if arm in measured]
    if len(shared) < 3:
        return []
    furthest = max(shared, key=lambda arm: abs(published[arm] - measured[arm]))
    note = (
        f"Size of the effects beside {column.heading}: {furthest} lies {formatting.percent(published[furthest], 0)} of "
        f"the way from the best to the worst as published, {formatting.percent(measured[furthest], 0)} as measured."
    )
    extremes = []
    for values in (column.published, column.measured):
        finite_values = [value for value in values.values() if math.isfinite(value)]
        extremes.append((min(finite_values), max(finite_values)))
    if all(low > 0 for low, _ in extremes):
        of_published, of_measured = (formatting.number(high / low, 3) for low, high in extremes)
        note += (
            f" The largest value is {of_published} times the smallest as published, {of_measured} times as measured."
        )
    return [note]


def _add_ranked(
    cells: list[list[Entry]],
    arms: list[str],
    values: Mapping[str, float],
    higher: bool,
    formatted: Callable[[float], str],
) -> None:
    """Append a column of figures with their ranks; a dash for an arm that has none."""
    finite_values = pd.Series({arm: v for arm, v in values.items() if math.isfinite(v)}, dtype=float)
    ranks, places = finite_values.rank(ascending=not higher), _places(values, higher)
    for arm, row in zip(arms, cells, strict=True):
        if arm in finite_values:
            value = float(finite_values[arm])
            place = f", {formatting.percent(places[arm], 0)}" if arm in places else ""
            row.append(Entry(f"{formatted(value)} ({ranks[arm]:g}{place})", value))
        else:
            row.append(Entry(formatting.NONE))


def _format_agreement(agreement: RankAgreement) -> str:
    tau = f"Kendall's τ = {formatting.signed(agreement.tau, 2)}"
    orders = math.factorial(agreement.n)
    chance = f"; {agreement.n} arms in a random order agree so once in {orders:,}" if agreement.tau == 1 else ""
    if not math.isfinite(agreement.low):
        return f"{tau} ({agreement.n} arms; fewer than two seeds, so no interval{chance})"
    low, high = formatting.signed(agreement.low, 2), formatting.signed(agreement.high, 2)
    lowest, highest = (formatting.signed(extreme(agreement.single), 2) for extreme in (min, max))
    single = f"{lowest} in each seed" if lowest == highest else f"{lowest} to {highest} in single seeds"
    return f"{tau} ({agreement.n} arms; 95 % bootstrap interval over seeds {low} to {high}; {single}{chance})"


def protocol_table(results: Results, figures: Sequence[Figure]) -> Table | None:
    """Return the conditions of the published figures beside those of the measured; None where nothing is published."""
    published = _of_suite(results, figures)
    if not published:
        return None
    shared, _ = provenance.settings(results)

    def stated(key: str) -> str:
        return ", ".join(dict.fromkeys(getattr(figure, key) for figure in published))

    geometry = results.runs[0].cell.spec.geometry if results.runs else None
    size = f"{geometry.height}×{geometry.width}×{geometry.channels}" if geometry else formatting.NONE
    size += f", {geometry.tokens:,} patches" if geometry else ""
    steps, batch = shared.get("training.steps"), shared.get("training.batch")
    trained = any(run.cell.spec.task == "train" for run in results.runs)
    training = f"{int(steps):,} steps of {batch} images" if steps and batch else "varies"
    training = training if trained else "nothing is trained here"
    others = ", ".join(dict.fromkeys(f.setting.replace(";", ", ") for f in published if f.setting)) or "not stated"
    rows = [
        ("Data", stated("dataset"), shared.get("data.name", "varies")),
        ("Size", f"{stated('resolution')} pixels a side", size),
        ("Metric", ", ".join(dict.fromkeys(formatting.title(f.metric) for f in published)),
         ", ".join(formatting.title(m) for m in results.suite.metrics)),
        ("Training", "not stated", training),
        ("Other settings", others, f"position {shared.get('position', 'varies')}, {_format_sampler(shared)}"),
        ("Seeds", "not stated", formatting.seeds(results.seeds)),
        ("Hardware", "not stated", provenance.hardware(results) if results.finished else formatting.NONE),
        ("Source", stated("source"), "the records of this suite"),
    ]  # fmt: skip
    columns = (Column(""), Column("Published"), Column("Measured here"))
    entries = tuple(tuple(Entry(text) for text in row) for row in rows)
    return Table("protocols", "Published and measured protocols", columns, entries)


def protocol_summary(results: Results, figures: Sequence[Figure], columns: Sequence[PublishedColumn]) -> str:
    """Return one sentence on how the published figures differ from the measured; "" where nothing is published."""
    published = _of_suite(results, figures)
    if not published or not results.runs or not results.metrics:
        return ""
    shared, _ = provenance.settings(results)
    geometry = results.runs[0].cell.spec.geometry
    data = formatting.join(list(dict.fromkeys(f"{f.dataset} at {f.resolution} pixels" for f in published)))
    metrics = formatting.join(list(dict.fromkeys(formatting.title(f.metric) for f in published)))
    measured = f"{shared.get('data.name', 'several data sets')} at {geometry.height}×{geometry.width}"
    summary = f"Published: {metrics} on {data}. Measured here: {formatting.noun(results.metrics[0])} on {measured}."
    if any(column.same_metric for column in columns):
        return summary
    return f"{summary} Compare the order of the arms, not the size of the figures."


def _format_sampler(shared: Mapping[str, str]) -> str:
    solver, steps = shared.get("sampler.solver"), shared.get("sampler.steps")
    return f"{solver} sampler, {steps} steps" if solver and steps else "sampler varies"
