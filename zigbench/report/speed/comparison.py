"""Each scan against each attention: from which size on it is faster, and by how much."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from zigbench.report import formatting
from zigbench.report.results import Results
from zigbench.report.speed.series import MODES, PATCHES, Line, lines, swept_size
from zigbench.report.statistics import crossover

PEAKS = ("memory_allocated", "memory_process")
"""The peak of a whole call: the largest size of all tensors, else what the process took above its baseline."""


def peak_memory(results: Results) -> str | None:
    """Return the name of the measurement that is this suite's peak memory; None where none was measured."""
    return next((name for name in PEAKS if len(results.rows(name))), None)


@dataclass(frozen=True)
class Comparison:
    """A scan against an attention in one mode, over the sizes that both were measured at.

    Args:
        mode: a key of :data:`~zigbench.report.speed.series.MODES`.
        scan, attention: labels of the two lines.
        crossover: the size from which on the scan is faster; None where there is no such size among those measured.
        speed_ratio: at the largest size of both, the scan's speed over the attention's.
        sizes: the smallest and the largest size that both were measured at.
        always_faster: True where the scan is faster at all of them.
        only_scan_fits: True where only the scan fits at the largest size of all.
        memory_ratio: at the largest size of both, the scan's peak memory over the attention's; NaN where unmeasured.
    """

    mode: str
    scan: str
    attention: str
    crossover: float | None
    speed_ratio: float
    sizes: tuple[float, float]
    always_faster: bool
    only_scan_fits: bool
    memory_ratio: float

    @property
    def mode_title(self) -> str:
        return MODES.get(self.mode, self.mode)

    @property
    def scan_wins(self) -> bool:
        """True where the scan is faster from some size on."""
        return self.crossover is not None or self.always_faster

    @property
    def verdict(self) -> str:
        """Words for a table."""
        low, high = (formatting.number(size) for size in self.sizes)
        if self.crossover is not None:
            return f"from about {formatting.about(self.crossover)} patches on"
        if self.always_faster:
            return f"at every size, {low} to {high} patches"
        if self.speed_ratio > 1:
            return f"at {high} patches alone, not steadily before"
        return f"not within the grid, {low} to {high} patches"


def comparisons(results: Results) -> tuple[Comparison, ...]:
    """Compare every scan with every attention of the same mode, where both were measured at two sizes or more."""
    if swept_size(results) is not PATCHES:
        return ()
    metric = peak_memory(results)
    memory = {(line.mode, line.label): line for line in lines(results, PATCHES, metric)} if metric else {}
    series = [line for line in lines(results, PATCHES, "fps") if line.measured]
    return tuple(
        comparison
        for scan in series
        for attention in series
        if scan.scans and not attention.scans and scan.mode == attention.mode
        if _comparable(scan.conditions, attention.conditions)
        if (comparison := _compare(scan, attention, memory)) is not None
    )


def _comparable(a: Mapping[str, str], b: Mapping[str, str]) -> bool:
    """Return True where conditions agree in all that both have but the kernel, which belongs to the network."""
    return all(a[name] == b[name] for name in a.keys() & b.keys() - {"kernel"})


def _compare(scan: Line, attention: Line, memory: Mapping[tuple[str, str], Line]) -> Comparison | None:
    sizes = [point.x for point in scan.measured if any(point.x == other.x for other in attention.measured)]
    if len(sizes) < 2:
        return None
    speeds = [(scan.mean_at(x), attention.mean_at(x)) for x in sizes]
    last = max(point.x for point in (*scan.points, *attention.points))

    def peak(line: Line) -> float:
        known = memory.get((line.mode, line.label))
        return known.mean_at(sizes[-1]) if known else math.nan

    return Comparison(
        mode=scan.mode,
        scan=scan.label,
        attention=attention.label,
        crossover=crossover(sizes, [a for a, _ in speeds], [b for _, b in speeds]),
        speed_ratio=speeds[-1][0] / speeds[-1][1],
        sizes=(sizes[0], sizes[-1]),
        always_faster=all(a > b for a, b in speeds),
        only_scan_fits=any(p.x == last for p in scan.measured)
        and any(p.x == last and not p.fits for p in attention.points),
        memory_ratio=peak(scan) / peak(attention),
    )
