"""Verification of a pack before it is merged: what is damaged in it, and what is missing from it.

Faults are of trust: a member, a record or a protocol that is not what its hash says, or a figure that names a protocol
which the pack does not have. Gaps are of completeness: runs that a suite has and the pack has not, runs without a
result, metrics of a spec that were not measured. A pack with gaps can be merged as well as any other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zigbench.evaluation.protocol import read_protocols
from zigbench.records.pack import MANIFEST, Pack, PackedRun
from zigbench.records.record import Record
from zigbench.report import formatting


@dataclass(frozen=True)
class Verification:
    """The faults and the gaps of a pack that was checked.

    Attributes:
        records: number of sound records.
        faults: a sentence for each thing that cannot be trusted.
        gaps: a sentence for each thing that is missing.
    """

    records: int
    faults: tuple[str, ...]
    gaps: tuple[str, ...]


def verify(pack: Pack) -> Verification:
    """Check hashes, schema and completeness of a pack."""
    records, damaged = pack.records()
    faults = [item.reason for item in (*pack.damaged(), *damaged)]
    if not pack.manifest and not any(MANIFEST in fault for fault in faults):
        faults.append(f"{pack.path}: {MANIFEST} is missing, so no member can be checked")
    claimed = pack.manifest.get("records")
    if pack.manifest and claimed != len(records) + len(damaged):
        faults.append(f"{pack.path}: {MANIFEST} counts {claimed} records, and there are {len(records) + len(damaged)}")
    faults.extend(_faults_of_protocols(pack, records))
    gaps = [*_unfinished(records), *_unmeasured(records), *_of_suites(pack)]
    return Verification(len(records), tuple(dict.fromkeys(faults)), tuple(gaps))


def _faults_of_protocols(pack: Pack, records: Sequence[tuple[PackedRun, Record]]) -> Iterator[str]:
    missing: Counter[tuple[str, str]] = Counter()
    for run, record in records:
        try:
            known = read_protocols(run)
        except ValueError as error:  # All runs share the pack's protocols: equal sentences are one fault.
            yield str(error).replace(str(run.path), str(pack.path)).replace("\n", " ")
            continue
        figures = [figure for figure in record.measurements if figure.protocol is not None and figure.step is None]
        missing.update({(figure.name, str(figure.protocol)) for figure in figures if figure.protocol not in known})
    for (name, protocol), count in sorted(missing.items()):
        where = f"in {formatting.count(count, 'record')}"
        yield f"{pack.path}: {name} names the protocol {protocol}, which the pack does not have, {where}"


def _unfinished(records: Sequence[tuple[PackedRun, Record]]) -> Iterator[str]:
    for status, count in sorted(Counter(record.status for _, record in records).items()):
        if status != "ok":
            yield f"{count} of {len(records)} records have no result: {status}"


def _unmeasured(records: Sequence[tuple[PackedRun, Record]]) -> Iterator[str]:
    missing: Counter[str] = Counter()
    for _, record in records:
        names = {figure.name for figure in record.measurements}
        if record.status == "ok" and record.spec.get("task") != "efficiency":
            missing.update(set(record.spec["evaluation"]["metrics"]) - names)
    for name, count in sorted(missing.items()):
        records_name = formatting.count(count, "record names", "records name")
        yield f"{records_name} the metric {name} without a figure of it"


def _of_suites(pack: Pack) -> Iterator[str]:
    """Yield the suites whose labels could name more runs than the pack holds; some of these a suite may exclude."""
    for name, suite in sorted(pack.suites["suites"].items()):
        axes = suite.get("axes") if isinstance(suite, dict) else None
        runs = [run for run, labels in pack.suites["runs"].items() if name in labels and pack.holds(run)]
        cells = math.prod(len(points) for points in axes.values()) if isinstance(axes, dict) else len(runs)
        if len(runs) < cells:
            yield f"suite {name}: {len(runs)} of the {cells} combinations of its labels have a record"
    unlabelled = sum(not pack.suites["runs"].get(run) for run in {record.id for _, record in pack.records()[0]})
    if unlabelled:
        yield f"{formatting.count(unlabelled, 'run belongs', 'runs belong')} to no suite of the pack"
