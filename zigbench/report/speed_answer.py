"""The answer of a suite of speed, in sentences made from the numbers."""

from __future__ import annotations

import math

from zigbench.report import wording
from zigbench.report.results import Results
from zigbench.report.sentence import Sentence
from zigbench.report.slopes import fit_slope
from zigbench.report.speed import MODES, Dial, Line, by_mode, lines
from zigbench.report.speed_tables import Duel, duels

NAMED = 4
"""Lines that one sentence may speak of."""


def speed_answer(found: Results, dial: Dial) -> tuple[Sentence, ...]:
    """How speed goes with the size in each mode and, over patches, where the scan overtakes attention."""
    made = [line for line in lines(found, dial, "fps") if len({spot.x for spot in line.measured}) > 1]
    if not made:
        return (Sentence(("Speed was measured at one size only: there is nothing to compare it with.",)),)
    said = []
    for mode, of in by_mode(made).items():
        named = _named(found, of)
        said.append(_slopes(mode, named, dial) if dial.title == "Patches" else _ratios(mode, named, dial))
    chosen = {line.label for of in by_mode(made).values() for line in _named(found, of)}
    home = [duel for duel in duels(found) if duel.scan in chosen and _is_home(found, duel.scan)]
    return (*said, *map(_overtakes, home))


def _is_home(found: Results, label: str) -> bool:
    return found.baseline is None or label.partition(" (")[0] == found.baseline


def _named(found: Results, of: list[Line]) -> list[Line]:
    """The baseline and whatever has attention first, then the rest; as many as a sentence bears."""
    ordered = sorted(of, key=lambda line: (not _is_home(found, line.label), line.scans))
    return ordered[:NAMED]


def _slopes(mode: str, of: list[Line], dial: Dial) -> Sentence:
    sizes = [spot.x for line in of for spot in line.measured]
    parts = [
        f"{mode}, {wording.number(min(sizes))} to {wording.number(max(sizes))} {dial.title.lower()}: "
        "speed goes with the patches to the power "
    ]
    for index, line in enumerate(of):
        slope, low, high = fit_slope([s.x for s in line.measured], [s.y.mean for s in line.measured])
        half = f" ± {(high - low) / 2:.2f}" if math.isfinite(low) else ""
        end = "." if index == len(of) - 1 else " and " if index == len(of) - 2 else ", "
        parts += [f"{wording.signed(round(slope, 2), 2)}{half}", f" for {line.label}{end}"]
    return Sentence(tuple(parts))


def _ratios(mode: str, of: list[Line], dial: Dial) -> Sentence:
    sizes = [spot.x for line in of for spot in line.measured]
    what = dial.title.partition(" (")[0].lower()
    parts = [f"{mode}: from {wording.number(min(sizes))} to {wording.number(max(sizes))} {what}, speed is "]
    for index, line in enumerate(of):
        ratio = line.measured[-1].y.mean / line.measured[0].y.mean
        end = "." if index == len(of) - 1 else " and " if index == len(of) - 2 else ", "
        shown = f"{ratio:.3g}×" if ratio >= 1 else f"{100 * ratio:.3g} %"
        parts += [shown, f" for {line.label}{end}"]
    return Sentence(tuple(parts))


def _overtakes(duel: Duel) -> Sentence:
    mode, last = MODES.get(duel.mode, duel.mode), wording.number(duel.sizes[1])
    memory = f", and at the largest size only {duel.scan} fits" if duel.alone else ""
    now = f" (at {last} it has {duel.ahead:.2f}× the speed{memory})."
    if duel.at is not None:
        place = f"from about {wording.about(duel.at)} patches on"
        return Sentence((f"{mode}: {duel.scan} is faster than {duel.attention} ", place, now), True)
    if duel.always:
        return Sentence((f"{mode}: {duel.scan} is faster than {duel.attention} ", "at every size measured", now), True)
    return Sentence((f"{mode}: {duel.scan} does ", "not overtake", f" {duel.attention} within the grid{now}"), False)
