"""Contrasts over the groups of a held-out set: crops of ten pictures are ten independent samples, not a thousand.

An interval over seeds says how far another training would come out; one over pictures, how far other pictures would.
A record of such a set holds ``held_out_loss[astronaut]``, … beside the loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zigbench.report import formatting
from zigbench.report.family import contrast_pairs
from zigbench.report.results import Results
from zigbench.report.statistics import Estimate, mean_interval
from zigbench.report.table import Column, Entry, Table
from zigbench.suite import Contrast


@dataclass(frozen=True)
class GroupEffect:
    """The difference of two arms in each group of the held-out samples.

    Args:
        a, b: names of the arms.
        differences: mean of a − b over the seeds that both arms have, by group.
    """

    a: str
    b: str
    differences: Mapping[str, float]

    @property
    def estimate(self) -> Estimate:
        """The mean over groups and its 95 % t-interval, which takes the groups as a sample of all groups."""
        return mean_interval(self.differences.values())

    @property
    def alike(self) -> int:
        """The number of groups whose difference has the sign of the mean."""
        sign = self.estimate.mean > 0
        return sum((difference > 0) == sign and difference != 0 for difference in self.differences.values())


def group_effect(results: Results, metric: str, a: str, b: str) -> GroupEffect | None:
    """Return the difference of two arms by group; None where the records hold fewer than two groups."""
    differences = {}
    for group, name in results.groups(metric).items():
        values = results.values(name)
        paired = (values.loc[a] - values.loc[b]).dropna()
        if len(paired):
            differences[group] = float(paired.mean())
    return GroupEffect(a, b, differences) if len(differences) > 1 else None


def group_words(results: Results, metric: str, a: str, b: str) -> str:
    """Return words on how a difference holds over groups; "" where the records hold no groups."""
    effect = group_effect(results, metric, a, b)
    if effect is None:
        return ""
    n, half = len(effect.differences), effect.estimate.half
    return f"; over {n} pictures ± {half:.{formatting.decimals(half)}f}, {effect.alike} of them of the same sign"


def group_table(results: Results) -> Table | None:
    """Return contrast × group: the difference in each group, and its mean with its interval over groups."""
    if not results.metrics or not (groups := results.groups(results.metrics[0])):
        return None
    rows = []
    for contrast, a, b in _pairs(results):
        effect = group_effect(results, results.metrics[0], a, b)
        if effect is None:
            continue
        estimate = effect.estimate
        places = formatting.decimals(estimate.half) if estimate.half > 0 else None
        shift = f"{formatting.signed(estimate.mean, places)} ± {estimate.half:.{places or 4}f}"
        by_group = [effect.differences.get(group) for group in groups]
        rows.append(
            (
                Entry(f"{a} − {b}", hint=formatting.capitalized(contrast.says)),
                *(
                    Entry(formatting.NONE) if value is None else Entry(formatting.signed(value, places), value)
                    for value in by_group
                ),
                Entry(shift, estimate.mean, estimate=estimate),
                Entry(f"{effect.alike} of {len(effect.differences)}", effect.alike),
            )
        )
    if not rows:
        return None
    columns = (Column("Contrast"), *(Column(formatting.capitalized(group.replace("_", " ")), True) for group in groups),
               Column("Mean over pictures", True), Column("Same sign", True))  # fmt: skip
    notes = (
        f"Mean difference in {formatting.noun(results.metrics[0])} over shared {formatting.block(results.seeds)}s, in "
        "the held-out crops of each picture. The interval is a 95 % t-interval over pictures: crops of one picture "
        "are not independent of each other, and other pictures could come out as far from these as these from each "
        "other.",
    )
    name, title = "pictures", "Contrasts by picture"
    if results.data:
        name, title = f"{name}-{formatting.slug(results.data)}", f"{title}, {results.data}"
    return Table(name, title, columns, tuple(rows), notes)


def _pairs(results: Results) -> list[tuple[Contrast, str, str]]:
    pairs = []
    for contrast in results.suite.contrasts:
        a, b = (results.twins.get(label, label) for label in (contrast.a, contrast.b))
        of_contrast = contrast_pairs(a, b, results.labels, results.first_axis)
        pairs += [(contrast, arm, other) for _, arm, other in of_contrast]
    return pairs
