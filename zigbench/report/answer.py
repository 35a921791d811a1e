"""The answer to a suite's question, in sentences made from the numbers."""

from __future__ import annotations

import math
from collections import Counter

import pandas as pd

from zigbench.report import formatting, provenance
from zigbench.report.formatting import STATUSES, Sentence
from zigbench.report.predictors import verdicts
from zigbench.report.results import SEED, Results
from zigbench.report.speed.answer import speed_answer
from zigbench.report.speed.series import swept_size
from zigbench.report.statistics import ALPHA, Effect, effects, equivalence_p
from zigbench.suite import Contrast


def answer(results: Results) -> tuple[Sentence, ...]:
    """Return a sentence per contrast of the suite, or one about all arms; then what of them beats a closed form."""
    if not results.finished or not results.metrics:
        return (Sentence((f"There is no answer yet: no run of this suite has finished. {completeness(results)}.",)),)
    if (size := swept_size(results)) is not None:
        return speed_answer(results, size)
    metric = results.metrics[0]
    if not results.suite.contrasts:
        return (_all_arms(results, metric), *verdicts(results, metric))
    values = pooled(results, metric)
    tested = [c for c in results.suite.contrasts if c.a in values.index and c.b in values.index]
    family = effects(values, [(c.a, c.b) for c in tested])
    sentences = [
        _effect(contrast, effect, metric, results)
        if provenance.measured_alike(results, metric, contrast.a, contrast.b)
        else _plain(
            contrast, f"{contrast.a} and {contrast.b} were measured under different protocols; see the results."
        )
        for contrast, effect in zip(tested, family, strict=True)
    ]
    for contrast in results.suite.contrasts:
        if contrast not in tested:
            missing = [label for label in (contrast.a, contrast.b) if label not in values.index]
            arms = "arm" if len(missing) == 1 else "arms"
            sentences.append(_plain(contrast, f"not tested: {arms} {' and '.join(missing)} missing."))
    return (*sentences, *verdicts(results, metric))


def pooled(results: Results, metric: str) -> pd.DataFrame:
    """Return values by label of the first axis × seed, averaged over all other axes, and by whole arm too.

    A seed counts for a label only where every one of its arms has finished it.
    """
    values = results.values(metric)
    first = next((axis.name for axis in results.suite.axes if axis.name != SEED), None)
    labels = {run.arm: run.cell.labels.get(first or "", run.arm) for run in results.runs}
    groups = values.groupby(pd.Series(labels).reindex(values.index)).agg(lambda c: c.mean(skipna=False))
    return pd.concat([groups, values[~values.index.isin(groups.index)]])


def completeness(results: Results) -> str:
    """Format how many runs have finished: ``25 of 27 runs finished, 2 failed``."""
    tally = Counter(run.status for run in results.runs if run.status != "ok")
    rest = "".join(f", {n:,} {STATUSES[status]}" for status, n in tally.items())
    return f"{len(results.finished):,} of {formatting.count(len(results.runs), 'run')} finished{rest}"


def _plain(contrast: Contrast, rest: str) -> Sentence:
    return Sentence((f"{formatting.capitalized(contrast.says)}: {rest}",))


def _effect(contrast: Contrast, effect: Effect, metric: str, results: Results) -> Sentence:
    """Return the claim that the suite makes of such an effect, and the effect with its interval."""
    estimate, block = effect.estimate, formatting.block(results.seeds)
    if estimate.n == 0:
        return _plain(contrast, f"no {block} has finished in both {effect.a} and {effect.b} yet.")
    name, subject = formatting.noun(metric), formatting.capitalized(contrast.says)
    if estimate.n == 1:
        shift = formatting.signed(estimate.mean)
        return Sentence((f"{subject} changes {name} by ", shift, f" in the one {block} that both have: no interval."))
    verdict = formatting.verdict(effect, results.direction(metric))
    claim = {"worse": contrast.worse, "better": contrast.better, "not separated": contrast.neither}.get(verdict, "")
    opening = f"{claim}: {contrast.says}" if claim else subject
    places = formatting.decimals(estimate.half) if estimate.half > 0 else 4
    pairs = formatting.count(estimate.n, f"paired {block}")
    if not effect.separated:
        shift = f"{formatting.signed(estimate.mean, places)} ± {estimate.half:.{places}f}"
        if contrast.margin is not None and (p := equivalence_p(effect.differences, contrast.margin)) < ALPHA:
            equal = f"equal within ±{contrast.margin:g} (p {formatting.p_value(p)}, two one-sided tests, {pairs})"
            opening = f"{contrast.same}: {contrast.says}" if contrast.same else subject
            return Sentence((f"{opening} changes {name} by ", shift, f": {equal}."), False)
        bounds = f"95 % interval {formatting.interval(estimate)}, {pairs}"
        # The interval is of this difference alone; Holm's correction is for all that are tested beside it.
        corrected = "" if estimate.low <= 0 <= estimate.high else " after correction for all tests"
        return Sentence((f"{opening} changes {name} by ", shift, f": not separated{corrected} ({bounds})."), False)
    verb = "raises" if estimate.mean > 0 else "lowers"
    shift = f"{abs(estimate.mean):.{places}f} ± {estimate.half:.{places}f}"
    low, high = sorted((abs(estimate.low), abs(estimate.high)))
    bounds = f"95 % interval {low:.{places}f} to {high:.{places}f}, {pairs}"
    return Sentence((f"{opening} {verb} {name} by ", shift, f" ({bounds})."), True)


def _all_arms(results: Results, metric: str) -> Sentence:
    """Return how many arms are separated from their baseline, and the largest difference."""
    name, block = formatting.noun(metric), formatting.block(results.seeds)
    tested = [e for e in effects(results.values(metric), results.against_baseline()) if e.estimate.n]
    if not tested:
        return Sentence((f"{formatting.title(metric)} was measured, but no arm shares a {block} with a baseline.",))
    separated = [effect for effect in tested if effect.separated]
    largest = max(separated or tested, key=lambda effect: abs(effect.estimate.mean))
    estimate = largest.estimate
    places = formatting.decimals(estimate.half) if estimate.half > 0 else None
    shift = formatting.signed(estimate.mean, places)
    shift += f" ± {estimate.half:.{places or 4}f}" if math.isfinite(estimate.half) else ""
    pair = f"{largest.a} − {largest.b}, "
    if all(effect.estimate.n == 1 for effect in tested):
        return Sentence((f"One {block}, so no interval: the largest difference in {name} is {pair}", shift, "."))
    opening = f"{len(separated)} of {formatting.count(len(tested), 'arm')} are separated from their baseline in {name}"
    if not separated:
        opening = f"No arm is separated from its baseline in {name}"
    verdict = formatting.verdict(largest, results.direction(metric))
    pairs = formatting.count(estimate.n, f"paired {block}")
    return Sentence((f"{opening}; the largest difference is {pair}", shift, f" ({verdict}, {pairs})."), bool(separated))
