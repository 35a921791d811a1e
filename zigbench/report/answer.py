"""The answer to a suite's question, in sentences made from the numbers."""

from __future__ import annotations

import math
from collections import Counter

import pandas as pd

from zigbench.report import formatting, protocols
from zigbench.report.results import SEED, Results
from zigbench.report.sentence import Sentence
from zigbench.report.speed.answer import speed_answer
from zigbench.report.speed.series import dial_of
from zigbench.report.statistics import Effect, effects
from zigbench.report.tables import STATUSES
from zigbench.suite import Contrast


def answer(found: Results) -> tuple[Sentence, ...]:
    """One sentence per contrast of the suite; without contrasts, one on the whole of the arms."""
    if not found.finished or not found.metrics:
        tally = completeness(found)
        return (Sentence((f"There is no answer yet: no run of this suite has finished. {tally}.",)),)
    metric = found.metrics[0]
    dial = dial_of(found)
    if dial is not None:
        return speed_answer(found, dial)
    if not found.suite.contrasts:
        return (_overall(found, metric),)
    values = pooled(found, metric)
    known = [c for c in found.suite.contrasts if c.a in values.index and c.b in values.index]
    family = effects(values, [(c.a, c.b) for c in known])
    said = [
        _sentence(c, e, metric, found)
        if protocols.alike(found, metric, c.a, c.b)
        else Sentence((f"{_upper(c.says)}: {c.a} and {c.b} were measured under unlike protocols; see the results.",))
        for c, e in zip(known, family, strict=True)
    ]
    for contrast in found.suite.contrasts:
        if contrast not in known:
            gone = [label for label in (contrast.a, contrast.b) if label not in values.index]
            said.append(Sentence((f"{_upper(contrast.says)}: not asked here, for lack of {' and '.join(gone)}.",)))
    return tuple(said)


def pooled(found: Results, metric: str) -> pd.DataFrame:
    """Values by label of the first axis × seed, averaged over all other axes, and by whole arm too.

    A seed counts for a label only where every one of its arms has finished it.
    """
    values = found.values(metric)
    first = next((axis.name for axis in found.suite.axes if axis.name != SEED), None)
    labels = {run.arm: run.cell.labels.get(first or "", run.arm) for run in found.runs}
    groups = values.groupby(pd.Series(labels).reindex(values.index)).agg(lambda c: c.mean(skipna=False))
    return pd.concat([groups, values[~values.index.isin(groups.index)]])


def completeness(found: Results) -> str:
    """``25 of 27 runs finished, 2 failed``."""
    tally = Counter(run.status for run in found.runs if run.status != "ok")
    rest = "".join(f", {n:,} {STATUSES[status]}" for status, n in tally.items())
    return f"{len(found.finished):,} of {formatting.count(len(found.runs), 'run')} finished{rest}"


def _sentence(contrast: Contrast, effect: Effect, metric: str, found: Results) -> Sentence:
    says, estimate, block = contrast.says, effect.estimate, formatting.block(found.seeds)
    if estimate.n == 0:
        return Sentence((f"{_upper(says)}: no {block} has finished in both {effect.a} and {effect.b} yet.",))
    name = formatting.noun(metric)
    if estimate.n == 1:
        shift = formatting.signed(estimate.mean)
        return Sentence(
            (f"{_upper(says)} changes {name} by ", shift, f" in the one {block} that both have: no interval.")
        )
    verdict = formatting.verdict(effect, found.direction(metric))
    claim = {"worse": contrast.worse, "better": contrast.better, "not separated": contrast.neither}.get(verdict, "")
    opening = f"{claim}: {says}" if claim else _upper(says)
    places = formatting.decimals(estimate.half) if estimate.half > 0 else 4
    pairs = formatting.count(estimate.n, f"paired {block}")
    if not effect.separated:
        shift = f"{formatting.signed(estimate.mean, places)} ± {estimate.half:.{places}f}"
        bounds = f"95 % interval {formatting.interval(estimate)}, {pairs}"
        # The interval is of this difference alone; Holm's correction is for all that are tested beside it.
        corrected = "" if estimate.low <= 0 <= estimate.high else " once all tests are counted"
        return Sentence((f"{opening} changes {name} by ", shift, f": not separated{corrected} ({bounds})."), False)
    verb = "raises" if estimate.mean > 0 else "lowers"
    shift = f"{abs(estimate.mean):.{places}f} ± {estimate.half:.{places}f}"
    low, high = sorted((abs(estimate.low), abs(estimate.high)))
    bounds = f"95 % interval {low:.{places}f} to {high:.{places}f}, {pairs}"
    return Sentence((f"{opening} {verb} {name} by ", shift, f" ({bounds})."), True)


def _overall(found: Results, metric: str) -> Sentence:
    """How many arms are separated from the baseline, and the furthest of them."""
    higher, name, block = found.direction(metric), formatting.noun(metric), formatting.block(found.seeds)
    pairs = found.against_baseline()
    tested = [e for e in effects(found.values(metric), pairs) if e.estimate.n]
    if not tested:
        return Sentence((f"{formatting.title(metric)} was measured, but no arm shares a {block} with a baseline.",))
    apart = [e for e in tested if e.separated]
    furthest = max(apart or tested, key=lambda e: abs(e.estimate.mean))
    estimate = furthest.estimate
    places = formatting.decimals(estimate.half) if estimate.half > 0 else None
    shift = formatting.signed(estimate.mean, places)
    shift += f" ± {estimate.half:.{places or 4}f}" if math.isfinite(estimate.half) else ""
    if all(e.estimate.n == 1 for e in tested):
        opening = f"One {block}, so no interval: the largest difference in {name} is {furthest.a} − {furthest.b}, "
        return Sentence((opening, shift, "."))
    shared = formatting.count(estimate.n, f"paired {block}")
    opening = f"{len(apart)} of {formatting.count(len(tested), 'arm')} are separated from their baseline in {name}"
    if not apart:
        opening = f"No arm is separated from its baseline in {name}"
    verdict = formatting.verdict(furthest, higher)
    return Sentence(
        (f"{opening}; the largest difference is {furthest.a} − {furthest.b}, ", shift, f" ({verdict}, {shared})."),
        bool(apart),
    )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
