"""Settings that a suite's rule chose for each arm, and the figures of other samples than those that chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from zigbench.report import formatting
from zigbench.report.family import SEED, arm_name
from zigbench.report.machines import difference_entry
from zigbench.report.results import Results
from zigbench.report.statistics import mean_interval
from zigbench.report.table import Column, Entry, Table
from zigbench.report.variance import reads_samples
from zigbench.suite import Choice

BySeed = Mapping[str, float]


@dataclass
class Candidate:
    """One point of the axis, for one arm: the mean over the choosing sets of each seed, and over the others."""

    choosing: dict[str, float] = field(default_factory=dict)
    reported: dict[str, float] = field(default_factory=dict)


def candidates(results: Results, choice: Choice, metric: str) -> dict[str, dict[str, Candidate]]:
    """Return the candidates of each arm, an arm being the labels beside the chosen axis and the seed."""
    labels = {run.id: run.cell.labels for run in results.runs}
    sets = {run.id: run.cell.spec.evaluation.sample_sets for run in results.runs}
    by_arm: dict[str, dict[str, Candidate]] = {}
    table = results.rows(metric)
    for run, values in zip(table["run"], table["samples"], strict=True):
        if not choice.sets < sets[run] == len(values):
            continue
        of = labels[run]
        arm = arm_name({axis: label for axis, label in of.items() if axis != choice.axis})
        candidate = by_arm.setdefault(arm, {}).setdefault(of[choice.axis], Candidate())
        candidate.choosing[of.get(SEED, "")] = float(np.mean(values[: choice.sets]))
        candidate.reported[of.get(SEED, "")] = float(np.mean(values[choice.sets :]))
    return by_arm


def chosen_points(results: Results, choice: Choice) -> dict[str, str]:
    """Return the point that each arm takes: of those with every seed, the one whose choosing sets have the best mean.

    Of equal ones it is the first on the axis.
    """
    sign = -1 if results.direction(choice.metric) else 1
    points = next(list(axis.points) for axis in results.suite.axes if axis.name == choice.axis)
    chosen = {}
    for arm, of_arm in candidates(results, choice, choice.metric).items():
        seeds = max(len(candidate.choosing) for candidate in of_arm.values())
        whole = {point: of_arm[point] for point in points if point in of_arm and len(of_arm[point].choosing) == seeds}
        means = {point: sign * float(np.mean(list(c.choosing.values()))) for point, c in whole.items()}
        chosen[arm] = min(means, key=means.__getitem__)
    return chosen


def choice_table(results: Results) -> Table | None:
    """Return each arm's chosen point and its figures; None for a suite without a rule, or without its samples."""
    choice = results.suite.choice
    if choice is None or results.direction(choice.metric) is None:
        return None
    chosen = chosen_points(results, choice)
    if not chosen:
        return None
    first = next(next(iter(axis.points)) for axis in results.suite.axes if axis.name == choice.axis)
    home = _baseline(results, choice)
    rows = []
    for metric in (name for name in results.metrics if reads_samples(name)):
        by_arm = candidates(results, choice, metric)
        against = by_arm[home][chosen[home]].reported if home in by_arm else {}
        for arm, of_arm in by_arm.items():
            taken = of_arm[chosen[arm]]
            rows.append((
                Entry(formatting.title(metric)),
                Entry(arm),
                Entry(chosen[arm]),
                _mean(taken.choosing) if metric == choice.metric else Entry(formatting.NONE),
                _mean(taken.reported),
                _mean(of_arm[first].reported) if first in of_arm else Entry(formatting.NONE),
                _difference(taken.reported, {} if arm == home else against),
            ))  # fmt: skip
    count = max(run.cell.spec.evaluation.sample_sets for run in results.runs)
    columns = (
        Column("Metric"),
        Column("Arm"),
        Column(f"Chosen {choice.axis}"),
        Column("Samples that chose", True),
        Column("Other samples", True),
        Column(f"The same at {first}", True),
        Column(f"Against {home}" if home else "Against the baseline", True),
    )
    best = "greatest" if results.direction(choice.metric) else "least"
    which = "The first set" if choice.sets == 1 else f"The first {choice.sets} sets"
    notes = (
        f"Rule, stated in the suite: each arm takes the {choice.axis} with the {best} mean of "
        f"{formatting.noun(choice.metric)} over the training seeds. {which} of each network's {count} sets of samples "
        f"{'chooses' if choice.sets == 1 else 'choose'}; sets {choice.sets + 1} to {count} are reported, which are "
        "drawn from noise of other seeds: that of set k follows from the training seed and k.",
        "The figure of the samples that chose flatters, as the best of several does; that of the others does not. "
        f"Beside them stand the same sets at {choice.axis} {first}, which nothing chose; the difference from the "
        "baseline is that of the other samples, each arm at its own choice, paired by training seed. 95 % intervals "
        "are over the training seeds.",
    )
    return Table("choice", f"{choice.axis.capitalize()} chosen for each arm", columns, tuple(rows), notes)


def _mean(values: BySeed) -> Entry:
    estimate = mean_interval(values.values())
    return Entry(formatting.plus_minus(estimate), estimate.mean, estimate=estimate)


def _baseline(results: Results, choice: Choice) -> str:
    """Return the arm with the baseline's label on the first axis, and the first labels on the others; "" for none."""
    for run in results.runs:
        labels = {axis: label for axis, label in run.cell.labels.items() if axis != choice.axis}
        if labels.get(results.first_axis or "") == results.baseline:
            return arm_name(labels)
    return ""


def _difference(values: BySeed, baseline: BySeed) -> Entry:
    """Return the mean paired difference over the seeds that both have; a dash where there are none."""
    if not (shared := values.keys() & baseline.keys()):
        return Entry(formatting.NONE)
    return difference_entry([values[seed] - baseline[seed] for seed in sorted(shared)])
