"""Interactions: whether the effect of a contrast differs between the points of an axis and a reference point of it.

A suite that names such an axis (:class:`zigbench.suite.Interaction`) asks more than whether two arms differ: whether
they differ by as much with one mixer as with another. Both effects are differences within the same seeds, and so is
their difference, whose interval is therefore narrower than the two effects' own would make it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from zigbench.report import formatting, protocols
from zigbench.report.family import contrast_pairs
from zigbench.report.formatting import Sentence
from zigbench.report.results import Results
from zigbench.report.statistics import ALPHA, Effect, effects, equivalence_p
from zigbench.report.table import Column, Entry, Table, finite
from zigbench.suite import Contrast


@dataclass(frozen=True)
class EffectDifference:
    """An effect at a point of the axis, and what it differs by from the effect at the reference.

    Args:
        contrast: the contrast that the effect is of.
        point: label on the axis.
        effect: a − b at this point.
        difference: this effect minus that at the reference, over the seeds that both have; its p is corrected over all
            differences of the data set.
    """

    contrast: Contrast
    point: str
    effect: Effect
    difference: Effect

    @property
    def verdict(self) -> str:
        """The verdict: differs, equal within the margin of the contrast, or not separated."""
        if self.difference.estimate.n < 2:
            return "no interval"
        margin = self.contrast.margin
        equal = margin is not None and equivalence_p(self.difference.differences, margin) < ALPHA
        if self.difference.separated:
            return "differs, within the margin" if equal else "differs"
        return "equal" if equal else "not separated"


def effect_differences(results: Results, metric: str) -> tuple[EffectDifference, ...]:
    """Return the differences of all contrasts' effects from those at the reference; none without such an axis."""
    if results.suite.interaction is None:
        return ()
    rows = [(contrast, *row) for contrast in results.suite.contrasts for row in _of_contrast(results, contrast, metric)]
    if not rows:
        return ()
    # Each effect by seed as an arm of its own, so that the differences are tested and corrected as those of arms are.
    values = pd.DataFrame([v for _, _, _, own, reference in rows for v in (own, reference)])
    values.index = pd.Index([f"{i}" for i in range(len(values))])
    tested = effects(values, [(f"{2 * i}", f"{2 * i + 1}") for i in range(len(rows))])
    return tuple(
        EffectDifference(contrast, point, effect, difference)
        for (contrast, point, effect, _, _), difference in zip(rows, tested, strict=True)
    )


def _of_contrast(
    results: Results, contrast: Contrast, metric: str
) -> Iterator[tuple[str, Effect, pd.Series, pd.Series]]:
    """Yield the points of the axis but the reference: label, effect, the effect by seed there and at the reference."""
    assert results.suite.interaction is not None
    axis, home = results.suite.interaction.axis, results.suite.interaction.reference
    a, b = (results.twins.get(label, label) for label in (contrast.a, contrast.b))
    pairs = contrast_pairs(a, b, results.labels, results.first_axis)
    tested = protocols.effects_alike(results, metric, [(arm, other) for _, arm, other in pairs])
    values = results.values(metric)
    by_place = {}
    for (labels, arm, other), effect in zip(pairs, tested, strict=True):
        others = tuple((key, label) for key, label in labels.items() if key != axis)
        if axis in labels and effect.estimate.n:
            by_place[labels[axis], others] = (effect, values.loc[arm] - values.loc[other])
    for (point, others), (effect, by_seed) in by_place.items():
        if point != home and (home, others) in by_place:
            words = [point, *(formatting.point(key, label) for key, label in others)]
            yield ", ".join(words), effect, by_seed, by_place[home, others][1]


def interaction_table(results: Results, metric: str) -> Table | None:
    """Return contrast × point: the effect with its interval, and what it differs by from the effect at the reference.

    None without an axis to compare along, or where no effect has a reference.
    """
    rows = effect_differences(results, metric)
    if not rows or results.suite.interaction is None:
        return None
    axis, home = results.suite.interaction.axis, results.suite.interaction.reference
    body = tuple(
        (
            Entry(f"{row.contrast.a} − {row.contrast.b}", hint=formatting.capitalized(row.contrast.says)),
            Entry(row.point),
            _figure(row.effect), _figure(row.difference),
            Entry(formatting.p_value(row.difference.p), finite(row.difference.p)),
            Entry(formatting.p_value(row.difference.p_holm), finite(row.difference.p_holm)),
            Entry(row.verdict, mark="" if row.difference.separated else "quiet"),
        )
        for row in rows
    )  # fmt: skip
    columns = (
        Column("Contrast"), Column(formatting.capitalized(axis)), Column("Effect", True),
        Column(f"Minus that in {home}", True), Column("p", True), Column("p, Holm", True), Column("Verdict"),
    )  # fmt: skip
    ending = f"-{formatting.slug(results.data)}" if results.data else ""
    of = f", {results.data}" if results.data else ""
    margins = {row.contrast.margin for row in rows} - {None}
    equal = f" “Equal” is within ±{margins.pop():g} by two one-sided tests at 5 %." if len(margins) == 1 else ""
    note = (
        f"Effects in {formatting.noun(metric)}, each a difference of two arms within each seed, and what it differs by "
        f"from the same effect with the {axis} {home} in the same seeds, with 95 % intervals; p is a t-test's over the "
        f"seeds. Holm's correction is over this table.{equal}"
    )
    return Table(f"interaction{ending}", f"Effects by {axis}, against {home}{of}", columns, body, (note,))


def interaction_sentences(results: Results, metric: str) -> tuple[Sentence, ...]:
    """Return a sentence for each contrast on the differences of its effect from that at the reference."""
    rows = effect_differences(results, metric)
    if not rows or results.suite.interaction is None:
        return ()
    home = results.suite.interaction.reference
    described = []
    for contrast in dict.fromkeys(row.contrast for row in rows):
        own = [row for row in rows if row.contrast == contrast and row.difference.estimate.n]
        parts = [
            f"{'On ' + results.data + ', the' if results.data else 'The'} effect of {contrast.says} "
            f"({contrast.a} − {contrast.b}), minus that in {home}, is "
        ]
        for row in own:
            parts += [formatting.difference(row.difference.estimate), f" in {row.point} ({row.verdict}); "]
        counts = sorted({row.difference.estimate.n for row in own})
        if not counts:
            continue
        pairs = formatting.count(counts[-1], f"paired {formatting.block(results.seeds)}")
        span = f"{counts[0]} to {pairs}" if len(counts) > 1 else pairs
        tests = sum(not math.isnan(row.difference.p) for row in rows)
        ending = f" (95 % intervals, {span} each; Holm's correction over {formatting.count(tests, 'difference')})."
        parts[-1] = parts[-1].removesuffix("; ") + ending
        separated = {row.difference.separated for row in own}
        described.append(Sentence(tuple(parts), separated.pop() if len(separated) == 1 else None))
    return tuple(described)


def _figure(effect: Effect) -> Entry:
    estimate = effect.estimate
    return Entry(formatting.difference(estimate), finite(estimate.mean), estimate=estimate)
