"""The answer of a suite of speed, in sentences made from the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from zigbench.report import formatting
from zigbench.report.figures.speed import DOUBTFUL
from zigbench.report.results import Results
from zigbench.report.sentence import Sentence
from zigbench.report.slopes import fit_slope
from zigbench.report.speed.series import MODES, Dial, Line, by_mode, lines
from zigbench.report.speed.tables import Duel, duels, largest

NAMED, LISTED = 3, 6
"""Lines that one sentence may speak of in each mode; and where there is but one figure of each."""


def speed_answer(found: Results, dial: Dial) -> tuple[Sentence, ...]:
    """Over patches, where the scan overtakes each attention; and how speed goes with the size, in each mode."""
    measured = [line for line in lines(found, dial, "fps") if line.measured]
    made = [line for line in measured if len({spot.x for spot in line.measured}) > 1]
    if not made:
        said = tuple(_at_one(mode, of, dial) for mode, of in by_mode(measured).items())
    elif dial.title != "Patches":
        said = _ratios({mode: _named(found, of) for mode, of in by_mode(made).items()}, dial)
    else:
        said = _over_patches(found, made)
    return (*said, *_largest(measured), *_warning(measured))


def _largest(measured: Sequence[Line]) -> tuple[Sentence, ...]:
    """``The largest batch that fits, forward and backward: 34 for zigma and 45 for dit.``; none where all fit."""
    said = []
    for mode, of in by_mode(measured).items():
        known = {line.label: found for line in of[:LISTED] if (found := largest(line))}
        if not known:
            continue
        what = next(iter(known.values()))[0]
        parts = [f"The largest {what} that fits, {mode.lower()}: "]
        for index, line in enumerate(of[:LISTED]):
            most = max(spot.x for spot in line.measured)
            size = known[line.label][1] if line.label in known else most
            beyond = "" if line.label in known else "at least "
            parts += [f"{beyond}{formatting.number(size)}", f" for {line.label}{_between(index, len(of[:LISTED]))}"]
        parts[-1] += "."
        said.append(Sentence(tuple(parts)))
    return tuple(said)


def _warning(measured: Sequence[Line]) -> tuple[Sentence, ...]:
    """How many cells there are doubts about, where they are more than a tenth."""
    spots = [spot for line in measured for spot in line.measured]
    doubtful = sum(bool(spot.doubts) for spot in spots)
    if 10 * doubtful <= len(spots):
        return ()
    rest = f" are in doubt ({DOUBTFUL}): measure them again before you build on these numbers."
    return (Sentence(("", f"{doubtful} of {formatting.count(len(spots), 'cell')}", rest), False),)


def _over_patches(found: Results, made: Sequence[Line]) -> tuple[Sentence, ...]:
    chosen = {mode: _named(found, of) for mode, of in by_mode(made).items()}
    pairs: dict[tuple[str, str], list[Duel]] = {}
    for duel in duels(found):
        if _is_home(found, duel.scan):
            pairs.setdefault((duel.scan, duel.attention), []).append(duel)
    return (*(_against(*pair, fought) for pair, fought in pairs.items()), _slopes(chosen))


def _is_home(found: Results, label: str) -> bool:
    return found.baseline is None or label.partition(" (")[0] == found.baseline


def _named(found: Results, of: Sequence[Line]) -> list[Line]:
    """The baseline and whatever has attention; where nothing has, the baseline and others, as a sentence bears."""
    ordered = sorted(of, key=lambda line: (not _is_home(found, line.label), line.scans))
    apart = [line for line in ordered if _is_home(found, line.label) or not line.scans]
    return (apart if len(apart) > 1 else ordered)[:NAMED]


def _against(scan: str, attention: str, fought: Sequence[Duel]) -> Sentence:
    """``zigma against dit, inference: faster from about 550 patches on (at 4,096, 4.52 times the speed)``."""
    parts = [f"{scan} against {attention}, "]
    for duel in fought:
        last = formatting.number(duel.sizes[1])
        claim = "not faster within the grid"
        if duel.at is not None:
            claim = f"faster from about {formatting.about(duel.at)} patches on"
        elif duel.always:
            claim = "faster at every size measured"
        alone = f"; of the largest, only {scan} fits" if duel.alone else ""
        end = "." if duel is fought[-1] else "; "
        parts[-1] += f"{MODES.get(duel.mode, duel.mode).lower()}: "
        memory = f" and {formatting.number(duel.memory, 3)} times the memory" if math.isfinite(duel.memory) else ""
        parts += [claim, f" (at {last}, {formatting.number(duel.ahead, 3)} times the speed{memory}{alone}){end}"]
    return Sentence(tuple(parts), any(duel.at is not None or duel.always for duel in fought))


def _slopes(chosen: dict[str, list[Line]]) -> Sentence:
    sizes = [spot.x for of in chosen.values() for line in of for spot in line.measured]
    parts = [
        f"Over {formatting.number(min(sizes))} to {formatting.number(max(sizes))} patches, "
        "speed goes with their number to the power "
    ]
    for mode, of in chosen.items():
        for index, line in enumerate(of):
            slope, low, high = fit_slope([s.x for s in line.measured], [s.y.mean for s in line.measured])
            half = f" ± {(high - low) / 2:.2f}" if math.isfinite(low) else ""
            parts += [f"{formatting.signed(round(slope, 2), 2)}{half}", f" for {line.label}{_between(index, len(of))}"]
        parts[-1] += f" in {mode.lower()}" if mode != MODES["training"] else " forward and backward"
        parts[-1] += "." if mode == list(chosen)[-1] else "; "
    return Sentence(tuple(parts))


def _at_one(mode: str, of: Sequence[Line], dial: Dial) -> Sentence:
    """Where each line has one size alone: the speeds, the fastest first."""
    ranked = sorted(of, key=lambda line: -line.measured[0].y.mean)[:LISTED]
    sizes = dict.fromkeys(formatting.number(line.measured[0].x) for line in ranked)
    parts = [f"{mode}, at {formatting.listed(list(sizes))} {dial.title.partition(' (')[0].lower()}: "]
    for index, line in enumerate(ranked):
        speed = f"{formatting.number(line.measured[0].y.mean, 3)} images/s"
        parts += [speed, f" for {line.label}{_between(index, len(ranked))}"]
    parts[-1] += "." if len(ranked) == len(of) else f"; {formatting.count(len(of) - len(ranked), 'slower line')} below."
    return Sentence(tuple(parts))


def _ratios(chosen: dict[str, list[Line]], dial: Dial) -> tuple[Sentence, ...]:
    """What becomes of the speed from the smallest to the largest size that all lines were measured at."""
    each = [{spot.x: spot.y.mean for spot in line.measured} for of in chosen.values() for line in of]
    shared = set.intersection(*(set(speeds) for speeds in each))
    if len(shared) < 2:
        return ()
    low, high = min(shared), max(shared)
    parts = [f"{dial.span.format(formatting.number(low), formatting.number(high))}, "]
    for mode, of in chosen.items():
        parts[-1] += f"{mode.lower()}: the speed is multiplied by "
        for index, line in enumerate(of):
            speeds = {spot.x: spot.y.mean for spot in line.measured}
            ratio = formatting.number(speeds[high] / speeds[low], 3)
            parts += [ratio, f" for {line.label}{_between(index, len(of))}"]
        parts[-1] += "." if mode == list(chosen)[-1] else "; "
    return (Sentence(tuple(parts)),)


def _between(index: int, count: int) -> str:
    return "" if index == count - 1 else " and " if index == count - 2 else ", "
