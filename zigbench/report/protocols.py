"""Under which protocols a column's figures were measured, and in words how these differ."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from zigbench.report import formatting
from zigbench.report.results import SEED, Results

if TYPE_CHECKING:
    from zigbench.evaluation import Protocol

SHOWN = 8
"""Digits of a hash that a reader sees: enough to tell a suite's protocols apart."""

LISTED = 6
"""Differences between two protocols that a note spells out."""


def by_arm(found: Results, metric: str) -> Mapping[str, tuple[str, ...]]:
    """Hashes of the protocols of each arm's figures, without repetition; arms that have none are left out."""
    rows = found.rows(metric)
    hashes: dict[str, dict[str, None]] = {}
    for arm, protocol in zip(rows["arm"], rows["protocol"], strict=True):
        if isinstance(protocol, str):
            hashes.setdefault(str(arm), {})[protocol] = None
    return {arm: tuple(of) for arm, of in hashes.items()}


def usual(found: Results, metric: str) -> str | None:
    """The protocol of most of the metric's figures, the first of equals; None without any."""
    known = [protocol for protocol in found.rows(metric)["protocol"] if isinstance(protocol, str)]
    return Counter(known).most_common(1)[0][0] if known else None


def mixed(found: Results, metric: str) -> bool:
    """Whether arms that differ in the first axis alone were measured under several protocols, and can't be compared.

    A suite whose seeds stand for different data sets, or one of whose further axes is the sampler's steps, has as
    many protocols as sets or steps, and yet compares like with like.
    """
    return any(len(protocols) > 1 for protocols in _like(found, metric).values())


def comparable(found: Results, metric: str) -> bool:
    """Whether all arms may be ranked together: each seed has one protocol."""
    seeds: dict[str, set[str]] = {}
    for (seed, _), protocols in _like(found, metric).items():
        seeds.setdefault(seed, set()).update(protocols)
    return all(len(protocols) <= 1 for protocols in seeds.values())


def _like(
    found: Results, metric: str, arms: Collection[str] | None = None
) -> Mapping[tuple[str, tuple[str, ...]], set[str]]:
    """The protocols of figures that share their seed and their labels on all axes but the first."""
    first = found.suite.axes[0].name if found.suite.axes else ""
    skip = {first, SEED}
    others = {run.arm: tuple(v for k, v in run.cell.labels.items() if k not in skip) for run in found.runs}
    rows = found.rows(metric)
    hashes: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for arm, seed, protocol in zip(rows["arm"], rows["seed_label"], rows["protocol"], strict=True):
        if isinstance(protocol, str) and (arms is None or arm in arms):
            hashes.setdefault((str(seed), others[arm]), set()).add(protocol)
    return hashes


def odd_arms(found: Results, metric: str) -> frozenset[str]:
    """Arms with a figure under another protocol than most, where that makes them incomparable."""
    if not mixed(found, metric):
        return frozenset()
    home = usual(found, metric)
    return frozenset(arm for arm, of in by_arm(found, metric).items() if set(of) != {home})


def alike(found: Results, metric: str, a: str, b: str) -> bool:
    """Whether two arms, or two labels of the first axis, were measured alike wherever they are paired."""
    first = found.suite.axes[0].name if found.suite.axes else ""
    mine = {run.arm for run in found.runs if {a, b} & {run.arm, run.cell.labels.get(first)}}
    return all(len(protocols) <= 1 for protocols in _like(found, metric, mine).values())


def difference_notes(found: Results, metric: str) -> tuple[str, ...]:
    """How each protocol differs from that of most figures, a note each; none where all are alike.

    Where protocols differ between seeds alone, one note says so.
    """
    home = usual(found, metric)
    if not mixed(found, metric):
        count = len(found.protocols(metric))
        if count < 2:
            return ()
        axes = formatting.listed([axis.name for axis in found.suite.axes[1:]])
        return (
            f"{formatting.title(metric)} was measured under {count} protocols, which differ with {axes} alone: what is "
            "paired compares like with like, a mean or a rank over all of them would not.",
        )
    arms = by_arm(found, metric)
    others = dict.fromkeys(protocol for of in arms.values() for protocol in of if protocol != home)
    return tuple(
        f"‡ {formatting.title(metric)} of "
        f"{formatting.listed([arm for arm, of in arms.items() if other in of])} was measured "
        f"under protocol {other[:SHOWN]}, not {str(home)[:SHOWN]} as most: {_words(found, metric, str(home), other)}. "
        "Figures of unlike protocols are not comparable as they stand, and none is marked as the best."
        for other in others
    )


def _words(found: Results, metric: str, home: str, other: str) -> str:
    """What differs between two protocols as the runs' folders tell them."""
    # Only where protocols differ: the room of evaluation is another's.
    from zigbench.evaluation import difference

    known = _read(found, metric, {home, other})
    a, b = known[home], known[other]
    if a is None or b is None:
        return "the runs' folders do not hold both protocols, so what differs can't be said"
    said = difference(b, a)
    more = f"; and {len(said) - LISTED} more" if len(said) > LISTED else ""
    return "; ".join(said[:LISTED]) + more


def samples(found: Results, metric: str, arms: Collection[str]) -> int | None:
    """How many samples the figures of these arms were measured on; None where that differs or can't be said."""
    known = by_arm(found, metric)
    hashes = {protocol for arm in arms for protocol in known.get(arm, ())}
    if not all(arm in known for arm in arms):
        return None
    counts = {None if protocol is None else protocol.samples for protocol in _read(found, metric, hashes).values()}
    return counts.pop() if len(counts) == 1 else None


def _read(found: Results, metric: str, hashes: Collection[str]) -> dict[str, Protocol | None]:
    """Protocols by their hashes; None for one that no run's folder holds, or only a damaged one."""
    from zigbench.evaluation import read_protocols

    known: dict[str, Protocol | None] = dict.fromkeys(hashes)
    rows = found.rows(metric)
    files = {run.id: run.files for run in found.runs}
    for run, protocol in zip(rows["run"], rows["protocol"], strict=True):
        if protocol in known and known[protocol] is None:
            with contextlib.suppress(ValueError, OSError):
                known[protocol] = read_protocols(files[str(run)]).get(protocol)
    return known
