"""The answer of a suite of speed, in sentences made from the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from zigbench.report import formatting
from zigbench.report.formatting import Sentence
from zigbench.report.results import Results
from zigbench.report.speed.comparison import Comparison, comparisons
from zigbench.report.speed.series import DOUBTS, MODES, PATCHES, Line, SweptSize, by_mode, lines
from zigbench.report.statistics import power_law

MAX_LINES, MAX_LISTED = 3, 6
"""Lines that one sentence names in each mode; and the same where there is but one figure of each."""


def speed_answer(results: Results, size: SweptSize) -> tuple[Sentence, ...]:
    """Answer where the scan is faster than each attention over patches, or how speed changes over another size."""
    measured = [line for line in lines(results, size, "fps") if line.measured]
    swept = by_mode([line for line in measured if len({point.x for point in line.measured}) > 1])
    chosen = {mode: _representatives(results, of_mode) for mode, of_mode in swept.items()}
    if not swept:
        sentences = [_at_one_size(mode, of_mode, size) for mode, of_mode in by_mode(measured).items()]
    elif size is PATCHES:
        sentences = [*_crossovers(results), _exponents(chosen)]
    else:
        sentences = list(_ratios(chosen, size))
    return (*sentences, *_largest_sizes(measured), *_doubt_warning(measured))


def _is_baseline(results: Results, label: str) -> bool:
    return results.baseline is None or label.partition(" (")[0] == results.baseline


def _representatives(results: Results, of_mode: Sequence[Line]) -> list[Line]:
    """Return the baseline and the lines of attention; without attention the baseline and others, up to the limit."""
    ordered = sorted(of_mode, key=lambda line: (not _is_baseline(results, line.label), line.scans))
    preferred = [line for line in ordered if _is_baseline(results, line.label) or not line.scans]
    return (preferred if len(preferred) > 1 else ordered)[:MAX_LINES]


def _crossovers(results: Results) -> Iterator[Sentence]:
    """Yield ``zigma against dit, inference: faster from about 550 patches on (at 4,096, 4.52 times the speed).``"""
    pairs: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in comparisons(results):
        if _is_baseline(results, comparison.scan):
            pairs.setdefault((comparison.scan, comparison.attention), []).append(comparison)
    for (scan, attention), of_pair in pairs.items():
        parts = [f"{scan} against {attention}, "]
        for comparison in of_pair:
            claim = "not faster within the grid"
            if comparison.crossover is not None:
                claim = f"faster from about {formatting.about(comparison.crossover)} patches on"
            elif comparison.always_faster:
                claim = "faster at every size measured"
            memory = ""
            if math.isfinite(comparison.memory_ratio):
                memory = f" and {formatting.number(comparison.memory_ratio, 3)} times the memory"
            fits = f"; at the largest size only {scan} fits" if comparison.only_scan_fits else ""
            end = "." if comparison is of_pair[-1] else "; "
            parts[-1] += f"{comparison.mode_title.lower()}: "
            parts += [
                claim,
                f" (at {formatting.number(comparison.sizes[1])}, {formatting.number(comparison.speed_ratio, 3)} "
                f"times the speed{memory}{fits}){end}",
            ]
        yield Sentence(tuple(parts), any(comparison.scan_wins for comparison in of_pair))


def _exponents(chosen: Mapping[str, Sequence[Line]]) -> Sentence:
    """Return ``Over 64 to 4,096 patches, speed scales with their number to the power −1.00 ± 0.02 for zigma …``"""
    sizes = [point.x for of_mode in chosen.values() for line in of_mode for point in line.measured]
    parts = [
        f"Over {formatting.number(min(sizes))} to {formatting.number(max(sizes))} patches, "
        "speed scales with their number to the power "
    ]
    for mode, of_mode in chosen.items():
        laws = [power_law([p.x for p in line.measured], [p.y.mean for p in line.measured]) for line in of_mode]
        parts += _each([formatting.exponent(law) for law in laws], of_mode)
        parts[-1] += f" in {mode.lower()}" if mode != MODES["training"] else " forward and backward"
        parts[-1] += "." if mode == list(chosen)[-1] else "; "
    return Sentence(tuple(parts))


def _ratios(chosen: Mapping[str, Sequence[Line]], size: SweptSize) -> Iterator[Sentence]:
    """Yield the ratio of the speeds at the largest and the smallest size that all lines were measured at."""
    shared = set.intersection(*({p.x for p in line.measured} for of_mode in chosen.values() for line in of_mode))
    if len(shared) < 2:
        return
    low, high = min(shared), max(shared)
    parts = [f"{size.span.format(formatting.number(low), formatting.number(high))}, "]
    for mode, of_mode in chosen.items():
        parts[-1] += f"{mode.lower()}: the speed is multiplied by "
        parts += _each([formatting.number(line.mean_at(high) / line.mean_at(low), 3) for line in of_mode], of_mode)
        parts[-1] += "." if mode == list(chosen)[-1] else "; "
    yield Sentence(tuple(parts))


def _at_one_size(mode: str, of_mode: Sequence[Line], size: SweptSize) -> Sentence:
    """Return the speeds where each line was measured at one size alone, the fastest first."""
    ranked = sorted(of_mode, key=lambda line: -line.measured[0].y.mean)[:MAX_LISTED]
    sizes = dict.fromkeys(formatting.number(line.measured[0].x) for line in ranked)
    parts = [f"{mode}, at {formatting.join(list(sizes))} {size.title.lower()}: "]
    parts += _each([f"{formatting.number(line.measured[0].y.mean, 3)} images/s" for line in ranked], ranked)
    rest = len(of_mode) - len(ranked)
    parts[-1] += "." if not rest else f"; {formatting.count(rest, 'slower line')} below."
    return Sentence(tuple(parts))


def _largest_sizes(measured: Sequence[Line]) -> Iterator[Sentence]:
    """Yield ``The largest batch that fits, inference: 34 for zigma and 45 for dit.``; none where all sizes fit."""
    for mode, of_mode in by_mode(measured).items():
        listed = of_mode[:MAX_LISTED]
        largest = [line.largest() for line in listed]
        nouns = [noun for noun, _ in filter(None, largest)]
        if not nouns:
            continue
        sizes = [
            formatting.number(limit[1])
            if limit
            else f"at least {formatting.number(max(point.x for point in line.measured))}"
            for limit, line in zip(largest, listed, strict=True)
        ]
        parts = [f"The largest {nouns[0]} that fits, {mode.lower()}: ", *_each(sizes, listed)]
        parts[-1] += "."
        yield Sentence(tuple(parts))


def _doubt_warning(measured: Sequence[Line]) -> Iterator[Sentence]:
    """Yield the number of cells in doubt, where they are more than a tenth."""
    points = [point for line in measured for point in line.measured]
    doubtful = sum(bool(point.doubts) for point in points)
    if 10 * doubtful > len(points):
        tally = f"{doubtful} of {formatting.count(len(points), 'cell')}"
        rest = f" are in doubt ({DOUBTS}): measure them again before you build on these numbers."
        yield Sentence(("", tally, rest), False)


def _each(figures: Sequence[str], of_mode: Sequence[Line]) -> list[str]:
    """Return alternating figures and words: ``4``, `` for zigma, ``, ``2``, `` for parallel and ``, ``1``, …"""
    parts = []
    for index, (figure, line) in enumerate(zip(figures, of_mode, strict=True)):
        rest = len(figures) - 1 - index
        parts += [figure, f" for {line.label}{'' if rest == 0 else ' and ' if rest == 1 else ', '}"]
    return parts
