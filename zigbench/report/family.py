"""The tests of a campaign as one family, so that one difference has one verdict on every page.

A pack knows the suites that its runs belong to. The contrasts of all of them, each on each data set and at each point
of the further axes, are corrected together by Holm's procedure. The other differences between an arm and its baseline
are exploratory: in each metric they are a second family, which costs the contrasts nothing. Runs in a
folder belong to no suite; there a suite's own differences are the family.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from zigbench.records.pack import Pack
from zigbench.records.record import Record
from zigbench.records.sources import Sources
from zigbench.report.statistics import PairKey, corrected_together, holm, pair_key, paired_p

SEED = "seed"
JOIN = " · "
BARE = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?|true|false|none|null", re.IGNORECASE)
"""Labels that say nothing without the name of their axis."""

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Family:
    """Corrected p-values of all tests of a campaign.

    Args:
        corrected: p-values by metric and test.
        contrasts: number of contrasts' tests, which were corrected together.
        suites: names of the suites that they are from.
    """

    corrected: Mapping[str, Mapping[PairKey, float]]
    contrasts: int
    suites: tuple[str, ...]

    def known(self, metric: str) -> Mapping[PairKey, float]:
        """Return the corrected p-values of the tests in one metric."""
        return self.corrected.get(metric, {})


@dataclass(frozen=True)
class TestedSuite:
    """A suite's definition with the labels and records of its finished runs.

    Args:
        name: its name.
        definition: as :meth:`zigbench.suite.Suite.to_json` returns it.
        runs: labels and records.
    """

    name: str
    definition: Mapping[str, Any]
    runs: Sequence[tuple[Labels, Record]]


def arm_name(labels: Labels) -> str:
    """Return the name of an arm: its labels on all axes but the seed, joined.

    A number or a truth value has its axis's name before it, where there is another axis: "dit · lr = 0.001".
    """
    own = {axis: label for axis, label in labels.items() if axis != SEED}
    if len(own) > 1:
        own = {axis: f"{axis} = {label}" if BARE.fullmatch(label) else label for axis, label in own.items()}
    return JOIN.join(own.values())


def bare_name(labels: Labels) -> str:
    """Return the labels of an arm, joined, as suites may name it too: "dit · 0.001"."""
    return JOIN.join(label for axis, label in labels.items() if axis != SEED)


def contrast_pairs(
    a: str, b: str, arms: Mapping[str, Labels], first: str | None
) -> list[tuple[Mapping[str, str], str, str]]:
    """Return the pairs of arms that a contrast is about, each with its labels on the further axes.

    There is one pair for each combination of labels on the further axes: effects at different points are not averaged.

    Args:
        a, b: labels on the first axis, or names of arms.
        arms: labels of each arm on all axes but the seed.
        first: name of the first axis.
    """
    named = {bare_name(labels): arm for arm, labels in arms.items()}
    a, b = named.get(a, a), named.get(b, b)
    if a in arms and b in arms:
        return [({}, a, b)]
    pairs: list[tuple[Mapping[str, str], str, str]] = []
    for arm, labels in arms.items():
        if labels.get(first or "") != a:
            continue
        where = {axis: label for axis, label in labels.items() if axis != first}
        other = next((o for o, of in arms.items() if of == {**labels, str(first): b}), None)
        if other is not None:
            pairs.append((where, arm, other))
    return pairs


def family_of(suites: Iterable[TestedSuite]) -> Family:
    """Return the corrected p-values of the contrasts of all suites, and of all their arms against their baselines."""
    confirmed: dict[tuple[str, PairKey], float] = {}
    explored: dict[str, dict[PairKey, float]] = {}
    names = []
    for suite in suites:
        names.append(suite.name)
        for metric, is_contrast, key, p in _tests(suite):
            if is_contrast:
                confirmed[metric, key] = p
            else:
                explored.setdefault(metric, {})[key] = p
    adjusted = dict(zip(confirmed, holm(list(confirmed.values())), strict=True))
    corrected: dict[str, dict[PairKey, float]] = {}
    for metric, tests in explored.items():
        rest = {key: p for key, p in tests.items() if (metric, key) not in confirmed}
        corrected[metric] = corrected_together(rest)
    for (metric, key), p in adjusted.items():
        corrected.setdefault(metric, {})[key] = p
    tested = sum(not math.isnan(p) for p in confirmed.values())
    return Family(corrected, tested, tuple(names))


def family_of_packs(sources: Sources, runs: Iterable[str]) -> Family | None:
    """Return the family of all suites in the packs that hold any of these runs; None where no pack does."""
    wanted = list(runs)
    packs = [pack for pack in sources.packs if any(pack.holds(run) for run in wanted)]
    if not packs:
        return None
    return _family_of_packs(tuple((pack.path, str(pack.manifest.get("checksum"))) for pack in packs))


@lru_cache(maxsize=4)
def _family_of_packs(packs: tuple[tuple[Path, str], ...]) -> Family:
    """Return the family of packs by their paths and checksums; a summary needs the same one for every suite."""
    definitions: dict[str, Any] = {}
    runs: dict[str, dict[str, tuple[Labels, Record]]] = {}
    for path, _ in packs:
        pack = Pack(path)
        definitions |= pack.suites["suites"]
        labels = pack.suites["runs"]
        for run, record in pack.records(labels)[0]:
            if run.repeat == 0 and record.status == "ok":
                for name, of_run in labels[run.id].items():
                    runs.setdefault(name, {})[run.id] = (of_run, record)
    return family_of(TestedSuite(name, definitions[name], tuple(of.values())) for name, of in sorted(runs.items()))


def first_axis(definition: Mapping[str, Any]) -> str | None:
    """Return the name of the axis on which the arms of the contrasts are named: the first that is not the seed."""
    return next((axis for axis in axes_in_order(definition) if axis != SEED), None)


def axes_in_order(definition: Mapping[str, Any]) -> list[str]:
    """Return the names of a definition's axes; packs before the order was recorded have them by the alphabet."""
    return list(definition.get("axis_order") or definition["axes"])


def _tests(suite: TestedSuite) -> Iterator[tuple[str, bool, PairKey, float]]:
    """Yield the tests of a suite: metric, whether it belongs to a contrast, its figures and its p."""
    first, axes = first_axis(suite.definition), axes_in_order(suite.definition)
    arms: dict[str, Labels] = {}
    figures: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for labels, record in suite.runs:
        own = {axis: labels[axis] for axis in axes if axis != SEED and axis in labels}
        arm = arm_name(own)
        arms[arm] = own
        data = json.dumps(record.spec.get("data"), sort_keys=True)
        for metric, value in final_values(record).items():
            figures.setdefault(metric, {}).setdefault(data, {}).setdefault(arm, {})[labels.get(SEED, "")] = value
    metrics = [metric for metric in suite.definition["metrics"] if metric in figures]
    if not metrics:
        return
    contrasts = [(c["a"], c["b"]) for c in suite.definition["contrasts"]]
    baseline = suite.definition.get("baseline") or next(iter(suite.definition["axes"].get(first, [])), "")
    labels_of_first = dict.fromkeys(of.get(first or "", "") for of in arms.values())
    against = [(label, baseline) for label in labels_of_first if label != baseline]
    for metric in metrics:
        named_pairs = contrasts if metric == metrics[0] else []
        for is_contrast, labels_of_pairs in ((True, named_pairs), (False, against)):
            for a, b in labels_of_pairs:
                for _, arm, other in contrast_pairs(a, b, arms, first):
                    for by_arm in figures[metric].values():
                        pairs = _pairs(by_arm.get(arm, {}), by_arm.get(other, {}))
                        if pairs:
                            x, y = zip(*pairs, strict=True)
                            p = paired_p([v - w for v, w in pairs])
                            yield metric, is_contrast, pair_key(x, y), p


def final_values(record: Record) -> dict[str, float]:
    """Return the final value of each metric of a record: that of the run as a whole, else of its last step."""
    last: dict[str, tuple[float, float]] = {}
    for m in record.measurements:
        step = math.inf if m.step is None else m.step
        if m.value is not None and math.isfinite(m.value) and (m.name not in last or step >= last[m.name][0]):
            last[m.name] = (step, m.value)
    return {name: value for name, (_, value) in last.items()}


def _pairs(a: Mapping[str, float], b: Mapping[str, float]) -> list[tuple[float, float]]:
    return [(value, b[seed]) for seed, value in a.items() if seed in b]
