"""The protocols that figures were measured under: which arms may be compared, and which ranked together."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from zigbench.report import formatting
from zigbench.report.results import SEED, Results
from zigbench.report.statistics import Effect, effects, mean_interval

if TYPE_CHECKING:
    from zigbench.evaluation import Protocol

HASH_DIGITS = 8
"""Digits of a hash that a reader sees: enough to distinguish a suite's protocols."""

MAX_DIFFERENCES = 6
"""Differences between two protocols that a note spells out."""


def protocols_by_arm(results: Results, metric: str) -> Mapping[str, tuple[str, ...]]:
    """Return the hashes of the protocols of each arm's figures, each once; arms that have none are left out."""
    rows = results.rows(metric)
    hashes: dict[str, dict[str, None]] = {}
    for arm, protocol in zip(rows["arm"], rows["protocol"], strict=True):
        if isinstance(protocol, str):
            hashes.setdefault(str(arm), {})[protocol] = None
    return {arm: tuple(of_arm) for arm, of_arm in hashes.items()}


def usual_protocol(results: Results, metric: str) -> str | None:
    """Return the protocol of most of the metric's figures, the first of equals; None without any."""
    protocols = [protocol for protocol in results.rows(metric)["protocol"] if isinstance(protocol, str)]
    return Counter(protocols).most_common(1)[0][0] if protocols else None


def protocols_clash(results: Results, metric: str) -> bool:
    """Return True where arms that differ in the first axis alone were measured under several protocols.

    A suite whose seeds stand for different data sets, or one of whose further axes is the sampler's steps, has as
    many protocols as sets or steps, and yet its comparisons are valid.
    """
    return any(len(protocols) > 1 for protocols in _protocols_of_peers(results, metric).values())


def effects_alike(results: Results, metric: str, pairs: Sequence[tuple[str, str]]) -> tuple[Effect, ...]:
    """Return the effect of each pair of arms; an empty one of arms that were measured under different protocols.

    Args:
        results: of the arms.
        metric: what the effects are differences of.
        pairs: arms.
    """
    alike = [pair for pair in pairs if measured_alike(results, metric, *pair)]
    tested = dict(zip(alike, effects(results.values(metric), alike, results.family.known(metric)), strict=True))
    none = mean_interval([])
    return tuple(tested.get((a, b), Effect(a, b, none, math.nan, math.nan)) for a, b in pairs)


def rankable(results: Results, metric: str) -> bool:
    """Return True where all arms may be ranked together: each seed has one protocol."""
    seeds: dict[str, set[str]] = {}
    for (seed, _), protocols in _protocols_of_peers(results, metric, sampler=True).items():
        seeds.setdefault(seed, set()).update(protocols)
    return all(len(protocols) <= 1 for protocols in seeds.values())


def measured_alike(results: Results, metric: str, a: str, b: str) -> bool:
    """Return True where two arms share their protocol in every seed that both have."""
    if len(results.protocols(metric)) < 2:
        return True
    rows = results.rows(metric)
    protocols: dict[str, dict[str, str]] = {a: {}, b: {}}
    for arm, seed, protocol in zip(rows["arm"], rows["seed_label"], rows["protocol"], strict=True):
        if isinstance(protocol, str) and arm in protocols:
            protocols[str(arm)][str(seed)] = results.as_seen(protocol, sampler=False)
    return all(protocol == protocols[b].get(seed, protocol) for seed, protocol in protocols[a].items())


def _protocols_of_peers(
    results: Results, metric: str, *, sampler: bool = False
) -> Mapping[tuple[str, tuple[str, ...]], set[str]]:
    """Return the protocols of figures that share their seed and their labels on all axes but that of the arms."""
    first, runs = results.first_axis, results.runs
    others = {run.arm: tuple(v for k, v in run.cell.labels.items() if k not in (first, SEED)) for run in runs}
    rows = results.rows(metric)
    hashes: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for arm, seed, protocol in zip(rows["arm"], rows["seed_label"], rows["protocol"], strict=True):
        if isinstance(protocol, str):
            hashes.setdefault((str(seed), others[arm]), set()).add(results.as_seen(protocol, sampler=sampler))
    return hashes


def odd_arms(results: Results, metric: str) -> frozenset[str]:
    """Return the arms with a figure under another protocol than most, where that makes them incomparable."""
    if not protocols_clash(results, metric):
        return frozenset()
    usual = results.as_seen(str(usual_protocol(results, metric)), sampler=False)
    return frozenset(
        arm
        for arm, protocols in protocols_by_arm(results, metric).items()
        if {results.as_seen(protocol, sampler=False) for protocol in protocols} != {usual}
    )


def protocol_notes(results: Results, metric: str) -> tuple[str, ...]:
    """Return a note on each protocol that differs from that of most figures; none where all are alike.

    Where protocols differ between seeds alone, one note says so.
    """
    usual = usual_protocol(results, metric)
    if not protocols_clash(results, metric):
        count = len(set(map(results.as_seen, results.protocols(metric))))
        if count < 2:
            return ()
        axes = formatting.join([axis.name for axis in results.suite.axes[1:]])
        without_sampler = {results.as_seen(protocol, sampler=False) for protocol in results.protocols(metric)}
        why = "by the sampler that each arm has" if len(without_sampler) < 2 else f"with {axes} alone"
        return (
            f"{formatting.title(metric)} was measured under {count} protocols, which differ {why}: paired "
            "differences are valid, a mean or a rank over all protocols is not.",
        )
    by_arm = protocols_by_arm(results, metric)
    each = dict.fromkeys(protocol for protocols in by_arm.values() for protocol in protocols)
    alike = results.as_seen(str(usual), sampler=False)
    others = [protocol for protocol in each if results.as_seen(protocol, sampler=False) != alike]
    return tuple(
        f"‡ {formatting.title(metric)} of {_arms_under(other, by_arm)} was measured under protocol "
        f"{other[:HASH_DIGITS]}, most others under {str(usual)[:HASH_DIGITS]}: "
        f"{_protocol_difference(results, metric, str(usual), other)}. "
        "Figures of different protocols are not comparable, and none is marked as the best."
        for other in others
    )


def _arms_under(protocol: str, by_arm: Mapping[str, tuple[str, ...]]) -> str:
    return formatting.join([arm for arm, protocols in by_arm.items() if protocol in protocols])


def _protocol_difference(results: Results, metric: str, usual: str, other: str) -> str:
    """Return a sentence on the difference of two protocols, from the records in the runs' folders."""
    from zigbench.evaluation import difference  # Imports torch's room: only where protocols differ.

    protocols = _read_protocols(results, metric, {usual, other})
    a, b = protocols[usual], protocols[other]
    if a is None or b is None:
        return "the difference is unknown, because the runs' folders do not hold both protocols"
    differences = difference(b, a)
    more = f"; and {len(differences) - MAX_DIFFERENCES} more" if len(differences) > MAX_DIFFERENCES else ""
    return "; ".join(differences[:MAX_DIFFERENCES]) + more


def sample_count(results: Results, metric: str, arms: Collection[str]) -> int | None:
    """Return how many samples the figures of these arms were measured on; None where that differs or is unknown."""
    by_arm = protocols_by_arm(results, metric)
    if not all(arm in by_arm for arm in arms):
        return None
    hashes = {protocol for arm in arms for protocol in by_arm[arm]}
    protocols = _read_protocols(results, metric, hashes).values()
    counts = {None if protocol is None else protocol.samples for protocol in protocols}
    return counts.pop() if len(counts) == 1 else None


def _read_protocols(results: Results, metric: str, hashes: Collection[str]) -> dict[str, Protocol | None]:
    """Return protocols by their hashes; None for one that no run's folder holds, or only a damaged one."""
    from zigbench.evaluation import read_protocols

    protocols: dict[str, Protocol | None] = dict.fromkeys(hashes)
    rows = results.rows(metric)
    files = {run.id: run.files for run in results.runs}
    for run, protocol in zip(rows["run"], rows["protocol"], strict=True):
        if protocol in protocols and protocols[protocol] is None:
            with contextlib.suppress(ValueError, OSError):
                protocols[protocol] = read_protocols(files[str(run)]).get(protocol)
    return protocols
