"""Published figures: read, checked, and laid beside what was measured."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zigbench.report import protocols
from zigbench.report.results import JOIN, Results
from zigbench.report.statistics import RankAgreement, kendall, mean_interval

_CHECKOUT = Path(__file__).resolve().parents[2] / "results/published.csv"
PUBLISHED = _CHECKOUT if _CHECKOUT.exists() else Path("results/published.csv")
COLUMNS = ("table", "source", "dataset", "resolution", "method", "metric", "value", "setting")

# Every other published metric is a distance, a cost or a size: lower is better.
HIGHER_IS_BETTER = frozenset({"iterations_per_s", "fps", "inception_score"})

# What an arm costs says nothing of how good it is: these are laid beside themselves alone.
COSTS = frozenset({"iterations_per_s", "fps", "memory_gb", "gflops"})

# The released code fed these extractors pixels on another scale than they were trained on, and published what came out.
AS_RELEASED = {"fdd": "fdd_released", "fvd": "fvd_released"}


@dataclass(frozen=True)
class Figure:
    """One published figure and where it stands. ``setting`` is ``key=value;key=value`` or ""."""

    table: str
    source: str
    dataset: str
    resolution: str
    method: str
    metric: str
    value: float
    setting: str

    @property
    def name(self) -> str:
        """Method and setting: what sets it apart within its table, data set and metric."""
        return f"{self.method} ({self.setting.replace(';', ', ')})" if self.setting else self.method

    def arms(self) -> frozenset[str]:
        """Labels that an arm may carry to mean this: the method, or it with its resolution or its setting's values."""
        values = [part.partition("=")[2] for part in self.setting.split(";") if part]
        labels = ([self.method], [self.name], [self.method, self.resolution], [self.method, *values])
        return frozenset(map(JOIN.join, (*labels, [*values, self.method])))


def read(path: Path = PUBLISHED) -> tuple[Figure, ...]:
    """Read and check a table of published figures.

    Raises:
        ValueError: lists every row that is wrong: a missing source or value, a value that is no number, one figure
            stated twice with different values.
        OSError: the file can't be read.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path}: its columns are {reader.fieldnames}; expected {list(COLUMNS)}")
        faults: list[str] = []
        figures: list[Figure] = []
        seen: dict[tuple[str, ...], int] = {}
        for line, row in enumerate(reader, start=2):
            problems = [f"{key} is empty" for key in COLUMNS if key != "setting" and not (row[key] or "").strip()]
            problems += ["it has more columns than the header"] if None in row else []
            try:
                value = float(row["value"] or "nan")
            except ValueError:
                value = math.nan
            if not math.isfinite(value) and row["value"]:
                problems.append(f"value {row['value']!r} is not a finite number")
            if any("=" not in part for part in (row["setting"] or "").split(";") if part):
                problems.append(f"setting {row['setting']!r} is not key=value;key=value")
            identity = tuple(row[key] or "" for key in COLUMNS if key not in ("value", "source"))
            if identity in seen:
                problems.append(f"states the same figure as line {seen[identity]}")
            seen.setdefault(identity, line)
            faults += [f"line {line}: {problem}" for problem in problems]
            if not problems:
                words = {key: str(row[key]) for key in COLUMNS if key != "value"}
                figures.append(Figure(**words, value=value))
    if faults:
        raise ValueError(f"{path}: " + "; ".join(faults))
    return tuple(figures)


@dataclass(frozen=True)
class Comparison:
    """One published column (table, data set, resolution, metric) beside a measured metric.

    ``published`` and ``measured`` hold the arms both have; they are comparable as numbers only where ``same_metric``
    says that the metric and the number of samples are the same, as ranks in any case.
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
    agreement: RankAgreement


def compare(results: Results, figures: tuple[Figure, ...]) -> tuple[Comparison, ...]:
    """Each published column that shares at least two arms with the suite, in the order of the file."""
    if not results.metrics:
        return ()
    columns: dict[tuple[str, str, str, str, str], list[Figure]] = {}
    for figure in figures:
        if figure.table in results.suite.published:
            key = (figure.table, figure.source, figure.dataset, figure.resolution, figure.metric)
            columns.setdefault(key, []).append(figure)
    found = []
    for key, column in columns.items():
        metric = _nearest(key[-1], results.metrics)
        if metric is None:
            continue
        means = results.values(metric).apply(lambda row: mean_interval(row).mean, axis=1)
        stated: dict[str, Figure] = {}
        for arm in results.arms:
            alias = results.suite.published_as.get(arm)
            # A method stated under several settings matches no arm by its name alone: which one would be a guess,
            # unless the suite names the very figure (the one without a setting by the method).
            matches = [f for f in column if alias == f.name] or [
                f for f in column if arm in f.arms() or alias in (f.method, f.name)
            ]
            if len(matches) == 1:
                stated[arm] = matches[0]
        if len(stated) < 2:
            continue
        published = {arm: figure.value for arm, figure in stated.items()}
        measured = {arm: float(means[arm]) for arm in stated}
        theirs = 1 if key[-1] in HIGHER_IS_BETTER else -1
        higher = results.direction(metric) is True
        agreement = kendall(
            {arm: theirs * value for arm, value in published.items()},
            {arm: value if higher else -value for arm, value in measured.items()},
        )
        names = {arm: figure.name for arm, figure in stated.items()}
        name, count = _counted(key[-1])
        same = metric == AS_RELEASED.get(name, name)
        same = same and (count is None or protocols.samples(results, metric, stated) == count)
        found.append(Comparison(*key, metric, published, measured, names, higher, same, agreement))
    return tuple(found)


def _nearest(published: str, measured: tuple[str, ...]) -> str | None:
    """The measured metric to lay beside a published one: the same, or for one of quality the first."""
    name, _ = _counted(published)
    alike = next((known for known in (AS_RELEASED.get(name, name), name) if known in measured), None)
    return alike or (None if name in COSTS else measured[0])


def _counted(published: str) -> tuple[str, int | None]:
    """``fid5k`` is FID of 5,000 samples; None for a metric that names no number of them."""
    found = re.fullmatch(r"(.+?)(\d+)k", published)
    return (found[1], 1000 * int(found[2])) if found else (published, None)
