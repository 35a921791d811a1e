"""Reference predictors beside the arms: what closed forms reach on the same held-out triples, as the records hold it.

A record that has them holds ``<metric>_zero``, ``<metric>_pixelwise``, … beside the metric itself. Nothing is computed
here for records that hold none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from zigbench.report import formatting
from zigbench.report.formatting import Sentence
from zigbench.report.results import PREDICTORS, Results
from zigbench.report.statistics import Estimate, mean_interval
from zigbench.report.table import Column, Entry, Mark, Table

Side = Literal["below", "not below", "not separated", "below, one run", "not below, one run"]

STRONGEST = "linear"
"""The best that images' first two moments allow: a network above it does no better."""

NAMED = 12
"""Arms that a sentence names."""


@dataclass(frozen=True)
class Predictor:
    """A reference predictor on one data set.

    Args:
        name: "zero", "pixelwise", "brightness" or "linear".
        data: name of the data set where the suite has several, else "".
        level: its loss.
        differences: loss of an arm minus that of the predictor, over the arm's seeds on this data set, by arm.
    """

    name: str
    data: str
    level: float
    differences: Mapping[str, Estimate]

    def side(self, arm: str) -> Side | None:
        """Return where the arm lies; None where it was not measured beside the predictor."""
        estimate = self.differences.get(arm)
        if estimate is None or not estimate.n:
            return None
        if estimate.n == 1:
            return "below, one run" if estimate.mean < 0 else "not below, one run"
        if estimate.low <= 0 <= estimate.high:
            return "not separated"
        return "below" if estimate.high < 0 else "not below"


def predictors(results: Results, metric: str) -> tuple[Predictor, ...]:
    """Return the predictors of ``metric`` that the records of one data set hold, the lowest loss first."""
    values = results.values(metric)
    references = []
    for name in PREDICTORS:
        levels = results.values(f"{metric}_{name}")
        if levels.notna().any(axis=None):
            differences = {str(arm): mean_interval(row) for arm, row in (values - levels).iterrows()}
            references.append(Predictor(name, results.data, float(levels.stack().median()), differences))
    return tuple(sorted(references, key=lambda reference: reference.level))


def recorded(results: Results) -> bool:
    """Return True where any finished run of the suite has a reference predictor in its record."""
    return any(results.rows(f"held_out_loss_{name}").size for name in PREDICTORS)


def verdicts(results: Results, metric: str) -> tuple[Sentence, ...]:
    """Return a sentence for each data set on which arms beat the reference predictors; one that there are none."""
    if not results.finished or any(run.cell.spec.task == "efficiency" for run in results.runs):
        return ()
    if not recorded(results):
        return (Sentence(("No reference predictor was recorded beside these networks.",)),)
    by_data = [predictors(part, metric) for part in results.parts.values()]
    return tuple(_verdict(references) for references in by_data if references)


def _verdict(references: Sequence[Predictor]) -> Sentence:
    """Return the sentence for the references of one data set, the strongest first."""
    strongest = next((r for r in references if r.name == STRONGEST), references[0])
    sides = {arm: side for arm in strongest.differences if (side := strongest.side(arm)) is not None}
    all_sides = {arm: [r.side(arm) for r in references] for arm in sides}
    beat_all = [arm for arm, each in all_sides.items() if all(side in ("below", "below, one run") for side in each)]
    others = [arm for arm in sides if arm not in beat_all]
    levels = ", ".join(f"{PREDICTORS[r.name]} {formatting.number(r.level, 3)}" for r in references)
    where = f"On {strongest.data}, " if strongest.data else ""
    unmeasured = len(strongest.differences) - len(sides)
    count = formatting.count(len(sides), "arm") + (" with a result" if unmeasured else "")
    single = all(strongest.differences[arm].n == 1 for arm in sides)
    runs = "; one run an arm, so without intervals" if single else ""
    if not others:
        opening = f"{where}all {count} beat" if len(sides) > 1 else f"{where}the one {count.partition(' ')[2]} beats"
        return Sentence((f"{formatting.capitalized(opening)} every reference predictor ({levels}{runs}).",))
    name = PREDICTORS[strongest.name]
    listed = [f"{arm} ({_beaten(references, arm)})" for arm in others]
    if not beat_all:
        text = f"{where}no arm beats every reference predictor ({levels}{runs}): "
        if all(sides[arm] not in ("below", "below, one run") for arm in others):
            text = (
                f"{where}no arm beats the {name} ({levels}{runs}): what is compared are networks that do no "
                "better than the images' first two moments allow: "
            )
        return Sentence((formatting.capitalized(text) + formatting.join_some(listed, NAMED) + ".",))
    text = f"{where}{len(beat_all)} of {count} beat every reference predictor ({levels}{runs}): "
    text += f"{formatting.join_some(beat_all, NAMED)}. Not below the {name}: {formatting.join_some(listed, NAMED)}."
    return Sentence((formatting.capitalized(text),))


def _beaten(references: Sequence[Predictor], arm: str) -> str:
    """Format the predictors that an arm is below: ``below zero and each pixel by itself``."""
    below = [PREDICTORS[r.name] for r in references if r.side(arm) in ("below", "below, one run")]
    return f"below {formatting.join(below[::-1])}" if below else "below none"


def predictor_rows(results: Results) -> tuple[tuple[Entry, ...], ...]:
    """Return the rows of the results' table: a predictor's level in its metric's column."""
    rows = []
    by_name: dict[str, dict[str, Predictor]] = {}
    for metric in results.metrics:
        for reference in predictors(results, metric):
            by_name.setdefault(reference.name, {})[metric] = reference
    for name, by_metric in by_name.items():
        entries = [Entry(f"Reference: {PREDICTORS[name]}", mark="quiet"), Entry(formatting.NONE)]
        for metric in results.metrics:
            known = by_metric.get(metric)
            entries.append(
                Entry(formatting.NONE) if known is None else Entry(formatting.number(known.level), known.level, "quiet")
            )
        rows.append(tuple(entries))
    return tuple(rows)


def predictor_table(results: Results) -> Table | None:
    """Return arm × predictor: the arm's loss minus the predictor's, and on which side of it the arm lies."""
    if not results.metrics:
        return None
    references = predictors(results, results.metrics[0])
    if not references:
        return None
    marks: Mapping[Side | None, Mark] = {"not below": "bad", "not below, one run": "bad", "not separated": "quiet"}
    columns = [Column("Arm")]
    for reference in references:
        heading = f"{formatting.capitalized(PREDICTORS[reference.name])} ({formatting.number(reference.level)})"
        columns += [Column(heading, True), Column("Arm lies")]
    rows = []
    for arm in results.arms:
        row = [Entry(arm)]
        for reference in references:
            side, estimate = reference.side(arm), reference.differences[arm]
            if side is None:
                row += [Entry(formatting.NONE), Entry(formatting.NONE)]
                continue
            places = formatting.decimals(estimate.half) if estimate.half > 0 else None
            text = formatting.signed(estimate.mean, places)
            text += f" ± {estimate.half:.{places}f}" if places is not None else ""
            row += [Entry(text, estimate.mean, estimate=estimate), Entry(side, mark=marks.get(side, ""))]
        rows.append(tuple(row))
    notes = (
        f"{formatting.title(results.metrics[0])} of the arm minus that of the predictor on the same triples, with its "
        "95 % t-interval over seeds; below or not below where the interval leaves out 0.",
        "The predictors are closed forms that know the training images' mean and covariance, or less; no network is "
        "in them. A network that is not below the best linear map does no better than the first two moments allow.",
    )
    name, title = "predictors", "Beside reference predictors"
    if results.data:
        name, title = f"{name}-{formatting.slug(results.data)}", f"{title}, {results.data}"
    return Table(name, title, tuple(columns), tuple(rows), notes)


def levels_against(results: Results, metric: str, baseline: str) -> dict[str, float]:
    """Return each predictor's loss minus the baseline's mean, by its name for people."""
    mean = mean_interval(results.values(metric).loc[baseline]).mean
    return {PREDICTORS[r.name]: r.level - mean for r in predictors(results, metric) if math.isfinite(mean)}
