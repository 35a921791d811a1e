"""Time to target: after how much training an arm reaches a level of a metric, in steps, images, FLOPs and seconds.

The level is the same for all arms of a seed. A run that never reaches it is censored at its end, and never dropped: it
counts as needing more than all it had; Dahl et al., "Benchmarking neural network training algorithms" (2023), whose
profiles are those of Dolan and Moré (2002).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zigbench.report import formatting
from zigbench.report.lasting import diagnostics
from zigbench.report.predictors import STRONGEST
from zigbench.report.results import PREDICTORS, Results, Run, once
from zigbench.report.statistics import mean_interval
from zigbench.report.table import Column, Entry, Table

TRAINING_PASSES = 3
"""FLOPs of a training step over those of its forward pass: the backward pass takes twice as many."""

FACTORS = (1.0, 1.25, 1.5, 2.0, 4.0)
"""Multiples of the fastest arm's steps at which a profile is read."""

UNITS = ("steps", "images", "TFLOPs", "seconds")


@dataclass(frozen=True)
class Reached:
    """A run's way to the target.

    Attributes:
        run: the run.
        steps: the first step at which the metric was measured and had reached it; infinite if it never had.
        end: the run's last step.
        best, last: the best value of all steps, and that of the last.
    """

    run: Run
    steps: float
    end: float
    best: float
    last: float

    @property
    def censored(self) -> bool:
        """True for a run that never reached the target."""
        return not math.isfinite(self.steps)

    @cached_property
    def spent(self) -> Mapping[str, float]:
        """Steps, images, 10¹² FLOPs and seconds up to the target, or to the end of a run that never reached it.

        NaN where unknown.
        """
        spec, steps = self.run.cell.spec, min(self.steps, self.end)
        images, cost = steps * spec.training.batch, spec.cost(spec.geometry)
        at, seconds = self.run.training_time
        return {
            "steps": steps,
            "images": images,
            "TFLOPs": math.nan if cost is None else TRAINING_PASSES * cost.flops * images / 1e12,
            "seconds": float(np.interp(steps, [0.0, *at], [0.0, *seconds])) if at and at[-1] >= steps else math.nan,
        }


def targets(results: Results, metric: str) -> tuple[str, dict[str, float]]:
    """Return the words for a metric's target, and its level by seed; no levels where there is none.

    It is the best linear map where that was recorded, else the mean of the baseline arm's finished networks.
    """
    levels = results.values(f"{metric}_{STRONGEST}")
    if levels.notna().any(axis=None):
        return PREDICTORS[STRONGEST], {str(seed): float(level) for seed, level in levels.max().dropna().items()}
    values = results.values(metric)
    arm = next(
        (arm for arm, of in results.labels.items() if of.get(results.first_axis or "") == results.baseline), None
    )
    if arm is None or not values.loc[arm].notna().any():
        return "", {}
    return f"mean of {arm}, finished", dict.fromkeys(results.seeds, float(values.loc[arm].mean()))


@once
def reached(results: Results, metric: str) -> dict[str, list[Reached]]:
    """Return each arm's runs that were measured along their training, on their way to the target."""
    curves, (_, levels) = diagnostics(results, metric), targets(results, metric)
    sign = -1 if results.direction(metric) else 1
    runs = {(run.arm, run.seed): run for run in results.finished}
    by_arm: dict[str, list[Reached]] = {}
    for (arm, seed), of_run in curves.groupby(["arm", "seed_label"], sort=False):
        if seed in levels and len(of_run) > 1:
            steps, values = of_run["step"].to_numpy(float), sign * of_run["value"].to_numpy(float)
            at_target = steps[values <= sign * levels[seed]]
            first, end = float(at_target.min(initial=math.inf)), float(steps.max())
            best, last = sign * float(values.min()), sign * float(values[-1])
            by_arm.setdefault(arm, []).append(Reached(runs[(arm, seed)], first, end, best, last))
    return by_arm


def target_tables(results: Results) -> Iterator[Table]:
    """Yield a table for each metric of the suite that was measured along the training."""
    for metric in (name for name in results.metrics if results.direction(name) is not None):
        by_arm = reached(results, metric)
        if by_arm:
            yield _table(results, metric, by_arm)


def _table(results: Results, metric: str, by_arm: Mapping[str, list[Reached]]) -> Table:
    words = targets(results, metric)[0]
    rows = []
    for arm in results.arms:
        runs = by_arm.get(arm, [])
        if not runs:
            rows.append((Entry(arm), *(Entry(formatting.NONE) for _ in range(len(UNITS) + 4))))
            continue
        count = sum(not run.censored for run in runs)
        each = ", ".join(_shown(run.spent["steps"], run.censored) for run in runs)
        rows.append((
            Entry(arm),
            Entry(f"{count}/{len(runs)}", count, "" if count == len(runs) else "bad"),
            *(_median(runs, unit) for unit in UNITS),
            *(_mean([getattr(run, name) for run in runs]) for name in ("best", "last")),
            Entry(each),
        ))  # fmt: skip
    titles = ("Reached", *(f"Median {unit}" for unit in UNITS), "Best so far", "Last")
    columns = (Column("Arm"), *(Column(title, True) for title in titles), Column("Steps of each run"))
    notes = [
        f"Training after which {formatting.noun(metric)} of the averaged weights has reached the {words}: the first of "
        "the steps at which it was measured. A run that never does is censored, not dropped: it counts as needing more "
        "than it had (>).",
        "Best so far is the best of all these steps, last that of the finished network; means over the runs. The best "
        "is chosen by the same figures that it is read from, so it flatters.",
        "Within a run the learning rate still falls, so a point on the way is not the end of a shorter training.",
        "FLOPs are three times those of the forward pass in closed form; seconds are those of training alone on the "
        "machine of each run, without the measurements.",
    ]
    specs = [results.by_arm[arm][0].cell.spec for arm in results.arms]
    if len({spec.backbone for spec in specs}) == 1:
        notes.append("All arms are one network in other orders: equal steps are equal FLOPs.")
    first = metric == results.metrics[0]
    name, title = "steps" if first else f"steps-{formatting.slug(metric)}", f"Time to target: {words}"
    if not first:
        title = f"{title}, {formatting.title(metric)}"
    if results.data:
        name, title = f"{name}-{formatting.slug(results.data)}", f"{title}, {results.data}"
    return Table(name, title, columns, tuple(rows), tuple(notes))


def _median(runs: list[Reached], unit: str) -> Entry:
    """Return the median of what the runs needed, those that never reached the target needing more than any other."""
    amounts = [math.inf if run.censored else run.spent[unit] for run in runs]
    if any(math.isnan(run.spent[unit]) for run in runs):
        return Entry(formatting.NONE)
    middle, largest = float(np.median(amounts)), max(run.spent[unit] for run in runs)
    # Sorted behind all that were reached.
    return Entry(
        _shown(middle if math.isfinite(middle) else largest, not math.isfinite(middle)), min(middle, 2 * largest)
    )


def _mean(values: list[float]) -> Entry:
    estimate = mean_interval(values)
    return Entry(formatting.number(estimate.mean), estimate.mean, estimate=estimate)


def _shown(amount: float, censored: bool) -> str:
    return f"{'> ' if censored else ''}{formatting.number(amount)}"


def profile_ratios(results: Results) -> dict[str, np.ndarray]:
    """Return each arm's steps over those of the fastest, float64 (problems,); none for fewer than two of either.

    A problem is a data set, a metric and a seed, solved where its target is reached. A ratio is infinite where the arm
    never solves it: a censored run counts as needing more than any other, and is not dropped.
    """
    problems: dict[tuple[str, str, str], dict[str, float]] = {}
    for data, part in results.parts.items():
        for metric in part.metrics:
            for arm, ways in reached(part, metric).items():
                for way in ways:
                    problems.setdefault((data, metric, way.run.seed), {})[arm] = way.steps
    arms = [arm for arm in results.arms if problems and all(arm in solved for solved in problems.values())]
    if len(arms) < 2 or len(problems) < 2:
        return {}
    steps = np.array([[solved[arm] for arm in arms] for solved in problems.values()])
    fastest = steps.min(axis=1, keepdims=True)
    ratios = np.divide(steps, fastest, out=np.full_like(steps, np.inf), where=np.isfinite(steps))
    return dict(zip(arms, ratios.T, strict=True))


def profile_table(ratios: Mapping[str, np.ndarray]) -> Table | None:
    """Return the performance profiles of the arms as a table; None where there are no ratios.

    For each factor τ, the share of the problems that an arm solves in at most τ times the steps of the arm that solves
    it first. A problem that no arm solves counts against all.

    Args:
        ratios: as of :func:`profile_ratios`.
    """
    if not ratios:
        return None
    rows = []
    for arm, of_arm in ratios.items():
        shares = [float((of_arm <= factor).mean()) for factor in FACTORS]
        solved = float(np.isfinite(of_arm).mean())
        rows.append((Entry(arm), *(Entry(f"{share:.0%}", share) for share in (*shares, solved))))
    columns = (Column("Arm"), *(Column(f"≤ {factor:g}×", True) for factor in FACTORS), Column("Ever", True))
    count = len(next(iter(ratios.values())))
    notes = (
        f"Share of {count} problems (data set, metric, seed) that the arm solves in at most so many times the "
        "steps of the arm that solves it first; a problem is solved when its target is reached. What was never solved "
        "counts as not solved at any factor.",
    )
    return Table("profile", "Performance profiles", columns, tuple(rows), notes)
