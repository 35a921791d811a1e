"""The answer to a suite's question, in sentences made from the numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zigbench.report import formatting, protocols
from zigbench.report.factorial import factorial_sentences
from zigbench.report.family import bare_name, contrast_pairs
from zigbench.report.formatting import STATUSES, Sentence
from zigbench.report.groups import group_words
from zigbench.report.interaction import interaction_sentences
from zigbench.report.lasting import lasting_sentences
from zigbench.report.predictors import verdicts
from zigbench.report.results import Results
from zigbench.report.speed.answer import speed_answer
from zigbench.report.speed.series import swept_size
from zigbench.report.statistics import (
    ALPHA,
    Effect,
    equivalence_p,
    interaction_p,
    mean_of_groups,
    outliers,
)
from zigbench.suite import Contrast


@dataclass(frozen=True)
class ContrastTest:
    """One test of a contrast: on one data set, at one point of the further axes.

    Args:
        where: data set and labels that tell it from the contrast's other tests; "" for the only one.
        results: results that it is from.
        effect: difference of the two arms, its p corrected within the campaign.
    """

    where: str
    results: Results
    effect: Effect


def answer(results: Results) -> tuple[Sentence, ...]:
    """Return a sentence per contrast of the suite, or one about all arms; then which arms beat a closed form."""
    if not results.finished or not results.metrics:
        return (Sentence((f"There is no answer yet: no run of this suite has finished. {completeness(results)}.",)),)
    if (size := swept_size(results)) is not None:
        return speed_answer(results, size)
    metric = results.metrics[0]
    if not results.suite.contrasts:
        sentences = [_all_arms(part, metric) for part in results.parts.values()]
        return (*sentences, *verdicts(results, metric))
    tested = [(contrast, contrast_tests(results, contrast, metric)) for contrast in results.suite.contrasts]
    sentences = [_sentence(contrast, tests, metric) for contrast, tests in tested if tests]
    sentences += [_not_tested(results, contrast) for contrast, tests in tested if not tests]
    for part in results.parts.values():
        sentences += interaction_sentences(part, metric)
        sentences += [*factorial_sentences(part, metric), *lasting_sentences(part)]
    return (*sentences, *verdicts(results, metric))


def contrast_tests(results: Results, contrast: Contrast, metric: str) -> list[ContrastTest]:
    """Return the tests of a contrast on each data set and at each point of the further axes.

    Nothing is averaged over either: an effect at two steps of a sampler and one at sixteen are two effects.
    """
    tests = []
    for data, part in results.parts.items():
        a, b = (part.twins.get(label, label) for label in (contrast.a, contrast.b))
        pairs = contrast_pairs(a, b, part.labels, part.first_axis)
        tested = protocols.effects_alike(part, metric, [(arm, other) for _, arm, other in pairs])
        for (labels, _, _), effect in zip(pairs, tested, strict=True):
            where = [f"on {data}"] if data else []
            where += [f"at {formatting.point(axis, label)}" for axis, label in labels.items()]
            tests.append(ContrastTest(" ".join(where), part, effect))
    return tests


def verdict(test: ContrastTest, contrast: Contrast) -> str:
    """Return the verdict on a test; "equal" is a difference that two one-sided tests place within the margin."""
    words = formatting.verdict(test.effect, test.results.direction(test.results.metrics[0]))
    return "equal" if words == "not separated" and math.isfinite(_equal_p(test.effect, contrast)) else words


def _equal_p(effect: Effect, contrast: Contrast) -> float:
    """Return the p of equality within the contrast's margin where it is below 5 %; NaN elsewhere."""
    if contrast.margin is None:
        return math.nan
    p = equivalence_p(effect.differences, contrast.margin)
    return p if p < ALPHA else math.nan


def _not_tested(results: Results, contrast: Contrast) -> Sentence:
    """Return the sentence for a contrast that no pair of arms is for."""
    labels = {label for of in results.labels.values() for label in (*of.values(), bare_name(of))} | set(results.labels)
    missing = [label for label in (contrast.a, contrast.b) if label not in labels]
    if not missing:
        return _plain(contrast, f"not tested: {contrast.a} and {contrast.b} have no data set and point in common.")
    return _plain(contrast, f"not tested: {'arm' if len(missing) == 1 else 'arms'} {' and '.join(missing)} missing.")


def _sentence(contrast: Contrast, tests: Sequence[ContrastTest], metric: str) -> Sentence:
    """Return the sentence for a contrast with all its tests."""
    for test in tests:
        if not protocols.measured_alike(test.results, metric, test.effect.a, test.effect.b):
            arms = f"{test.effect.a} and {test.effect.b}"
            return _plain(contrast, f"{arms} were measured under different protocols; see the results.")
    return _effect(contrast, tests[0], metric) if len(tests) == 1 else _several(contrast, tests, metric)


def _several(contrast: Contrast, tests: Sequence[ContrastTest], metric: str) -> Sentence:
    """Return one sentence about several tests of a contrast: a claim where all agree, and each effect."""
    measured = [test for test in tests if test.effect.estimate.n]
    if not measured:
        return _plain(contrast, f"no {formatting.block(tests[0].results.seeds)} has finished in both arms yet.")
    kinds = {verdict(test, contrast) for test in measured}
    claims = {"worse": contrast.worse, "better": contrast.better, "equal": contrast.same,
              "not separated": contrast.neither}  # fmt: skip
    claim = claims.get(next(iter(kinds)), "") if len(kinds) == 1 else ""
    opening = f"{claim}: {contrast.says}" if claim else formatting.capitalized(contrast.says)
    parts = [f"{opening} changes {formatting.noun(metric)} by "]
    for position, test in enumerate(measured):
        estimate = test.effect.estimate
        places = formatting.decimals(estimate.half) if estimate.half > 0 else None
        half = f" ± {estimate.half:.{places}f}" if places is not None else ""
        ending = "; " if position < len(measured) - 1 else ""
        of_groups = group_words(test.results, metric, test.effect.a, test.effect.b)
        words = f" {test.where} ({verdict(test, contrast)}{_outlier_words(test)}{of_groups}){ending}"
        parts += [f"{formatting.signed(estimate.mean, places)}{half}", words]
    counts = sorted({test.effect.estimate.n for test in measured})
    pairs = formatting.count(counts[-1], f"paired {formatting.block(measured[0].results.seeds)}")
    each = " each" if len(measured) > 1 else ""
    parts[-1] += f" (95 % intervals, {f'{counts[0]} to ' if len(counts) > 1 else ''}{pairs}{each})."
    parts[-1] += _dependence(measured)
    return Sentence(tuple(parts), all(t.effect.separated for t in measured) if len(kinds) == 1 else None)


def _dependence(tests: Sequence[ContrastTest]) -> str:
    """Return a sentence on whether the effect differs between data sets; "" where it has several tests on one."""
    by_data = {test.results.data: test.effect.differences for test in tests}
    p = interaction_p(list(by_data.values())) if len(by_data) == len(tests) else math.nan
    if math.isnan(p):
        return ""
    shown = formatting.p_value(p)
    words = f"p {shown if shown.startswith('<') else f'= {shown}'}, Welch's analysis of variance"
    if p < ALPHA:
        return f" The effect depends on the data set ({words})."
    mean = formatting.plus_minus(mean_of_groups(list(by_data.values())))
    return f" A dependence on the data set is not separated ({words}); with the sets weighted alike, it is {mean}."


def _outlier_words(test: ContrastTest) -> str:
    """Return words on an outlier among the runs of a test, with the median difference; "" where there is none."""
    arms, seeds = {test.effect.a, test.effect.b}, formatting.block(test.results.seeds)
    far = [(arm, s) for arm, s in outliers(test.results.values(test.results.metrics[0])) if arm in arms]
    if not far:
        return ""
    middle = formatting.signed(float(np.median(test.effect.differences)))
    names = formatting.join([f"{arm}, {seeds} {seed}" for arm, seed in far])
    return f"; {names} {'is an outlier' if len(far) == 1 else 'are outliers'}, the median difference is {middle}"


def completeness(results: Results) -> str:
    """Format how many runs have finished: ``25 of 27 runs finished, 2 failed``."""
    tally = Counter(run.status for run in results.runs if run.status != "ok")
    rest = "".join(f", {n:,} {STATUSES[status]}" for status, n in tally.items())
    return f"{len(results.finished):,} of {formatting.count(len(results.runs), 'run')} finished{rest}"


def _plain(contrast: Contrast, rest: str) -> Sentence:
    return Sentence((f"{formatting.capitalized(contrast.says)}: {rest}",))


def _effect(contrast: Contrast, test: ContrastTest, metric: str) -> Sentence:
    """Return the claim that the suite makes of such an effect, and the effect with its interval."""
    effect, results = test.effect, test.results
    estimate, block = effect.estimate, formatting.block(results.seeds)
    if estimate.n == 0:
        return _plain(contrast, f"no {block} has finished in both {effect.a} and {effect.b} yet.")
    name, subject = formatting.noun(metric), formatting.capitalized(contrast.says)
    if estimate.n == 1:
        shift = formatting.signed(estimate.mean)
        return Sentence((f"{subject} changes {name} by ", shift, f" in the one {block} that both have: no interval."))
    words = formatting.verdict(effect, results.direction(metric))
    claim = {"worse": contrast.worse, "better": contrast.better, "not separated": contrast.neither}.get(words, "")
    opening = f"{claim}: {contrast.says}" if claim else subject
    places = formatting.decimals(estimate.half) if estimate.half > 0 else 4
    pairs = formatting.count(estimate.n, f"paired {block}") + _outlier_words(test)
    pairs += group_words(results, metric, effect.a, effect.b)
    equal_p = _equal_p(effect, contrast)
    if not effect.separated:
        shift = f"{formatting.signed(estimate.mean, places)} ± {estimate.half:.{places}f}"
        if math.isfinite(equal_p):
            tests = f"p {formatting.p_value(equal_p)}, two one-sided tests, {pairs}"
            equal = f"equal within ±{contrast.margin:g} ({tests})"
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
    bounds += f"; within the margin of equality, ±{contrast.margin:g}" if math.isfinite(equal_p) else ""
    return Sentence((f"{opening} {verb} {name} by ", shift, f" ({bounds})."), True)


def _all_arms(results: Results, metric: str) -> Sentence:
    """Return how many arms are separated from their baseline, and the largest difference."""
    name, block = formatting.noun(metric), formatting.block(results.seeds)
    name += f" on {results.data}" if results.data else ""
    pairs = results.against_baseline()
    tested = [e for e in protocols.effects_alike(results, metric, pairs) if e.estimate.n]
    if not tested and not all(protocols.measured_alike(results, metric, *pair) for pair in pairs):
        return Sentence((f"No arm was measured in {name} under the protocol of its baseline; see the results.",))
    if not tested:
        return Sentence((f"{formatting.title(metric)} was measured, but no arm shares a {block} with a baseline.",))
    separated = [effect for effect in tested if effect.separated]
    largest = max(tested, key=lambda effect: abs(effect.estimate.mean))
    estimate = largest.estimate
    places = formatting.decimals(estimate.half) if estimate.half > 0 else None
    shift = formatting.signed(estimate.mean, places)
    shift += f" ± {estimate.half:.{places or 4}f}" if math.isfinite(estimate.half) else ""
    pair = f"{largest.a} − {largest.b}, "
    if all(effect.estimate.n == 1 for effect in tested):
        return Sentence((f"One {block}, so no interval: the largest difference in {name} is {pair}", shift, "."))
    verb = "is separated from its" if len(separated) == 1 else "are separated from their"
    opening = f"{len(separated)} of {formatting.count(len(tested), 'arm')} {verb} baseline in {name}"
    if not separated:
        opening = f"No arm is separated from its baseline in {name}"
    words = formatting.verdict(largest, results.direction(metric))
    shared = formatting.count(estimate.n, f"paired {block}")
    return Sentence((f"{opening}; the largest difference is {pair}", shift, f" ({words}, {shared})."), bool(separated))
