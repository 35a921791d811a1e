"""The standard that a result meets, as rules over the records: what falls short of it is not shown as a result."""

from __future__ import annotations

from zigbench.report import formatting
from zigbench.report.predictors import recorded
from zigbench.report.results import Results

LEAST_SEEDS = 3
LEAST_STEPS = 480
"""Length of the shortest training that is a point of a study; a suite needs one that long."""


def shortfalls(results: Results) -> tuple[str, ...]:
    """Return the reasons why the records of a suite are no result; none for one that measures speed.

    A result stands beside a reference predictor, rests on held-out triples that cover the held-out images evenly and on
    three seeds, and is about networks that were trained for more than their first steps.
    """
    if not results.finished or any(run.cell.spec.task != "train" for run in results.runs):
        return ()
    specs = [run.cell.spec for run in results.finished]
    steps, seeds = max(spec.training.steps for spec in specs), {run.seed for run in results.finished}
    reasons = []
    if not recorded(results):
        reasons.append("no reference predictor was recorded")
    if any(spec.evaluation.triples != "strided" for spec in specs):
        reasons.append("the held-out triples do not cover the held-out images evenly")
    if steps < LEAST_STEPS:
        reasons.append(f"networks were trained for {formatting.number(steps)} steps")
    if max(len({run.seed for run in part.finished}) for part in results.parts.values()) < LEAST_SEEDS:
        reasons.append(f"it has {formatting.seeds(sorted(seeds))}")
    return tuple(reasons)
