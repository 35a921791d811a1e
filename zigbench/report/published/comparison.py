"""Published columns beside measured metrics: which arm a figure is of, and how far the ranks agree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

import pandas as pd

from zigbench.report import formatting, protocols
from zigbench.report.family import bare_name
from zigbench.report.lasting import diagnostics
from zigbench.report.published.figures import Figure, by_column
from zigbench.report.ranks import RankAgreement, kendall
from zigbench.report.results import Results
from zigbench.report.statistics import mean_interval

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
    for key, column in by_column(of_suite(results, figures)).items():
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
        same = same and (count is None or protocols.sample_count(results, metric, by_arm) == count)
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


def _best_along(results: Results, metric: str, arms: Iterable[str], higher: bool) -> dict[str, float]:
    """Return the best of each arm's values along its training, a mean over seeds; empty without such values."""
    curves = diagnostics(results, metric)
    curves = curves[curves["arm"].isin(list(arms))]
    best = curves.groupby(["arm", "seed_label"])["value"].agg("max" if higher else "min")
    return {str(arm): float(mean) for arm, mean in best.groupby("arm").mean().items()}


def of_suite(results: Results, figures: Sequence[Figure]) -> list[Figure]:
    """Return the figures of the tables that the suite names, without outcomes of runs."""
    named = [figure for figure in figures if figure.table in results.suite.published]
    return [figure for figure in named if figure.not_comparable != "outcome"]


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
