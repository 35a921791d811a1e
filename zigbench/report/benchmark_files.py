"""Files of ``make benchmark``: rows of the frame that the suites' records are in, and how two files differ."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

NOTICEABLE = 0.05
"""Share by which two medians must differ to be called different, their quartiles being apart as well."""

INTERVAL = (0.05, 0.95)

FAULTS = (KeyError, TypeError, AttributeError, ValueError)
"""What :func:`parse` raises on what is not of its form."""


@dataclass(frozen=True)
class Timed:
    """One benchmark: seconds a round, as told by the file that it is in.

    Args:
        name: of the test, with its file and parameters.
        median, low, high: its middle and quartiles.
        rounds: how many were timed.
        samples: every round, where the file holds them.
        told: figures that the benchmark told beside.
    """

    name: str
    median: float
    low: float
    high: float
    rounds: int
    samples: tuple[float, ...]
    told: Mapping[str, Any]

    @property
    def test(self) -> str:
        """Its name without the file."""
        return self.name.partition("::")[2]


@dataclass(frozen=True)
class Stored:
    """A file of benchmarks and where it was made.

    Args:
        path: of the file.
        machine: name of the processor.
        cores: it has; None where the file does not say.
        python: version.
        day: as ``2026-11-21``.
        commit: of the code; None outside a checkout.
        dirty: whether the code differed from it.
        timed: the benchmarks, in the order in which they ran.
    """

    path: Path
    machine: str
    cores: int | None
    python: str
    day: str
    commit: str | None
    dirty: bool
    timed: tuple[Timed, ...]


@dataclass(frozen=True)
class Change:
    """One benchmark in two files.

    Args:
        name: of the benchmark.
        before, after: its medians in seconds; None in a file that lacks it.
        verdict: of the second file against the first.
    """

    name: str
    before: float | None
    after: float | None
    verdict: Literal["faster", "slower", "same", "new", "gone"]

    @property
    def ratio(self) -> float:
        """Time after over time before; NaN where either is missing."""
        return math.nan if self.before is None or self.after is None else self.after / self.before


def read(path: Path) -> Stored:
    """Read what pytest-benchmark wrote.

    Raises:
        ValueError: the file is none of its; the message names it.
        OSError: it can't be read.
    """
    try:
        return parse(path, json.loads(path.read_text(encoding="utf-8")))
    except FAULTS as error:
        raise ValueError(f"{path} is no file of pytest-benchmark ({type(error).__name__}: {error})") from None


def parse(path: Path, body: Mapping[str, Any]) -> Stored:
    """The contents of ``path`` as :class:`Stored`; raises one of :data:`FAULTS` where they are not of that form."""
    machine, commit = body["machine_info"], body.get("commit_info") or {}
    cpu = machine.get("cpu", {})
    return Stored(
        path,
        machine=cpu.get("brand_raw") or machine["machine"],
        cores=cpu.get("count"),
        python=machine["python_version"],
        day=body["datetime"][:10],
        commit=commit.get("id"),
        dirty=bool(commit.get("dirty")),
        timed=tuple(_timed(entry) for entry in body["benchmarks"]),
    )


def _timed(entry: Mapping[str, Any]) -> Timed:
    stats = entry["stats"]
    return Timed(
        entry["fullname"],
        median=stats["median"],
        low=stats["q1"],
        high=stats["q3"],
        rounds=stats["rounds"],
        samples=tuple(stats.get("data", ())),
        told=entry["extra_info"],
    )


def compare(before: Stored, after: Stored) -> list[Change]:
    """How each benchmark differs between two files, in the order of the second, what is gone last.

    Two medians are called different where they are so by :data:`NOTICEABLE` and neither lies within the other's
    quartiles.
    """
    old = {timed.name: timed for timed in before.timed}
    changes = [_change(old.pop(timed.name, None), timed) for timed in after.timed]
    return changes + [Change(timed.name, timed.median, None, "gone") for timed in old.values()]


def _change(before: Timed | None, after: Timed) -> Change:
    if before is None:
        return Change(after.name, None, after.median, "new")
    ratio = after.median / before.median
    within = before.low <= after.median <= before.high or after.low <= before.median <= after.high
    verdict: Literal["faster", "slower", "same"] = "same"
    if not within and max(ratio, 1 / ratio) > 1 + NOTICEABLE:
        verdict = "faster" if ratio < 1 else "slower"
    return Change(after.name, before.median, after.median, verdict)


def frame(folder: Path) -> pd.DataFrame:
    """The benchmarks of every ``.json`` file in ``folder`` that is one, with the columns of the records' frame.

    A row is one benchmark: ``run`` names the file and the test, ``metric`` is ``latency``, ``value`` the median.
    """
    import numpy as np
    import pandas as pd

    from zigbench.records.collect import COLUMNS, FLOATS

    rows = []
    for path in sorted(folder.glob("*.json")):
        try:
            stored = read(path)
        except ValueError:
            continue  # Another program's file: the kernels' script for GPUs has a form of its own.
        for timed in stored.timed:
            low, high = np.quantile(timed.samples, INTERVAL) if timed.samples else (timed.low, timed.high)
            rows.append(
                {
                    **dict.fromkeys(COLUMNS),
                    "run": f"{path.stem}:{timed.name}", "status": "ok", "metric": "latency", "value": timed.median,
                    "unit": "s", "higher_is_better": False, "low": low, "high": high, "samples": timed.samples,
                    "protocol": None, "note": "", "folder": str(path), "task": "benchmark",
                    "environment.machine.cpu": stored.machine, "environment.python": stored.python,
                    "environment.code.commit": stored.commit,
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=None if rows else list(COLUMNS)).astype(FLOATS)
