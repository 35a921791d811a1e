"""The tables of a suite's page: results, effects, ranks, and every run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from zigbench.records.record import Record
from zigbench.report import formatting, protocols, provenance
from zigbench.report.family import contrast_pairs
from zigbench.report.formatting import STATUSES
from zigbench.report.predictors import predictor_rows
from zigbench.report.ranks import Ranking, friedman
from zigbench.report.results import Results, Run
from zigbench.report.statistics import (
    Effect,
    PairKey,
    detectable_effect,
    mean_interval,
    outliers,
    pair_key,
    sign_flip_p,
    standing,
)
from zigbench.report.table import Column, Entry, Mark, Table, finite, number_entry


def result_table(results: Results) -> Table:
    """Return arm × metric: mean ± 95 % t-interval over seeds; the best is marked only where it is separated.

    The first metric has the median over the seeds beside its mean, which one run far from the others does not move.
    """
    metrics = results.metrics
    columns = [Column("Arm"), Column("Runs", numeric=True, hint="finished / planned")]
    columns += [_metric_column(results, metric) for metric in metrics]
    columns[3:3] = [Column("Median", numeric=True, hint=f"median {formatting.noun(metrics[0])} over the runs")]
    medians = results.values(metrics[0]).median(axis="columns")
    entries: dict[str, dict[str, Entry]] = {metric: _metric_entries(results, metric) for metric in metrics}
    rows = []
    for arm, runs in results.by_arm.items():
        done = sum(run.status == "ok" for run in runs)
        unfinished = _unfinished(runs)
        tally = Entry(f"{done}/{len(runs)}", done, "bad" if unfinished else "", unfinished)
        rows.append((Entry(arm), tally, *(entries[metric][arm] for metric in metrics)))
        rows[-1] = (*rows[-1][:3], number_entry(float(medians[arm])), *rows[-1][3:])
    references = predictor_rows(results)
    rows += [(*row[:3], Entry(formatting.NONE), *row[3:]) for row in references]
    notes = [
        f"Mean ± half of the 95 % t-interval over {formatting.seeds(results.seeds)}. Runs: finished of planned. "
        f"Median: of {formatting.noun(metrics[0])} over the runs. ↓: lower is better, ↑: higher."
    ]
    if any(entry.mark in ("best", "level") for column in entries.values() for entry in column.values()):
        notes.append(_mark_note(results))
    notes += _outlier_notes(results, metrics[0])
    notes += [f"{arm} is the network of {home} under a second name: one arm." for arm, home in results.twins.items()]
    if references:
        notes.append("Reference: a closed form on the same triples; no network is in it.")
    if any("[" in entry.text for column in entries.values() for entry in column.values()):
        kinds = formatting.join(list(dict.fromkeys(run.interval for run in results.finished)))
        notes.append(f"In square brackets, where there is one seed: the {kinds} within that run.")
    notes += [chance for metric in metrics if (chance := _chance_note(results, metric))]
    notes += [note for metric in metrics for note in protocols.protocol_notes(results, metric)]
    if usual := {m: protocol for m in metrics if (protocol := protocols.usual_protocol(results, m))}:
        hashes = [f"{formatting.noun(m)} {protocol[: protocols.HASH_DIGITS]}" for m, protocol in usual.items()]
        notes.append(f"Protocols: {', '.join(hashes)}; protocols.json in each run's folder has them in full.")
    notes += [f"{arm}: {text}." for arm, runs in results.by_arm.items() if (text := _unfinished(runs))]
    return _of_data(results, Table("results", "Results by arm", tuple(columns), tuple(rows), tuple(notes)))


def further_table(results: Results) -> Table | None:
    """Return arm × metric of the metrics that the runs have and the suite does not list; None without any."""
    if not results.further_metrics:
        return None
    suite = replace(results.suite, metrics=results.further_metrics, contrasts=())
    table = result_table(replace(results, suite=suite))
    return replace(
        table, name=table.name.replace("results", "further"), title=f"Further metrics: {table.title.lower()}"
    )


def _of_data(results: Results, table: Table) -> Table:
    """Return a table under a name and title of its own where the results are those of one data set of several."""
    if not results.data:
        return table
    name = f"{table.name}-{formatting.slug(results.data)}"
    return replace(table, name=name, title=f"{table.title}, {results.data}")


def _mark_note(results: Results) -> str:
    margins = {c.margin for c in results.suite.contrasts if c.margin is not None}
    note = "Bold: the best, where it is separated from every other arm (paired t-tests, Holm-corrected, 5 %)."
    if len(margins) != 1:
        return note
    return (
        f"{note} Underlined: the best mean and every arm that is equal to it within the suite's margin, "
        f"±{margins.pop():g} in {formatting.noun(results.metrics[0])} (two one-sided tests, 5 %)."
    )


def _outlier_notes(results: Results, metric: str) -> list[str]:
    """Return a note on each run that lies far from the median of its arm."""
    values = results.values(metric)
    return [
        f"† {arm}: the run of {formatting.block(results.seeds)} {seed} ({formatting.number(values.loc[arm, seed])}) is "
        f"an outlier; the mean follows it, the median ({formatting.number(values.loc[arm].median())}) does not."
        for arm, seed in outliers(values)
    ]


def _chance_note(results: Results, metric: str) -> str:
    """Return a note on the accuracy of a network that ignores its labels; "" for other metrics."""
    classes = {count for run in results.runs if (count := run.cell.spec.geometry.classes)}
    if metric != "recognised" or len(classes) != 1:
        return ""
    (count,) = classes
    return f"{formatting.title(metric)}: {formatting.number(1 / count, 2)} is chance, with {count} classes."


def _metric_column(results: Results, metric: str) -> Column:
    direction = results.direction(metric)
    arrow = {True: " ↑", False: " ↓", None: ""}[direction]
    hint = {True: "higher is better", False: "lower is better", None: ""}[direction]
    unit = results.unit(metric)
    clash = " ‡" if protocols.protocols_clash(results, metric) else ""
    return Column(formatting.title(metric) + (f" ({unit})" if unit else "") + arrow + clash, True, hint)


def _metric_entries(results: Results, metric: str) -> dict[str, Entry]:
    """Return the cell of each arm in one metric's column."""
    values, direction = results.values(metric), results.direction(metric)
    rankable = direction is not None and protocols.rankable(results, metric)
    margins = {c.margin for c in results.suite.contrasts if c.margin is not None}
    margin = margins.pop() if len(margins) == 1 and metric == results.metrics[0] else None
    rank = standing(values, bool(direction), margin, results.family.known(metric)) if rankable else None
    far = {arm for arm, _ in outliers(values)} if metric == results.metrics[0] else set()
    within = _intervals_within_runs(results, metric)
    hashes_of, odd = protocols.protocols_by_arm(results, metric), protocols.odd_arms(results, metric)
    entries = {}
    for arm in results.arms:
        estimate = mean_interval(values.loc[arm])
        if not estimate.n:
            entries[arm] = Entry(_reason_for_none(results.by_arm[arm]), None, "bad")
            continue
        mark: Mark = ""
        if rank is not None and rank.leader is not None:
            if arm == rank.leader:
                mark = "best" if rank.separated else "level" if rank.level else ""
            elif arm in rank.level:
                mark = "level"
        hint = f"n = {estimate.n}" + (f", 95 % {formatting.interval(estimate)}" if math.isfinite(estimate.half) else "")
        text = formatting.plus_minus(estimate)
        if estimate.n == 1 and arm in within:
            text += f" [{formatting.number(within[arm][0])}, {formatting.number(within[arm][1])}]"
        hashes = " ".join(hashes_of.get(arm, ()))
        hint += f", protocol {hashes}" if hashes else ""
        text += " ‡" if arm in odd else ""
        text += " †" if arm in far else ""
        entries[arm] = Entry(text, estimate.mean, mark, hint, estimate, protocol=hashes)
    return entries


def _intervals_within_runs(results: Results, metric: str) -> dict[str, tuple[float, float]]:
    """Return the interval that the record itself states, by arm; of a single run it is the only one there is."""
    rows = results.rows(metric).dropna(subset=["low", "high"])
    return {str(r.arm): (float(r.low), float(r.high)) for r in rows.itertuples()}


def _unfinished(runs: Sequence[Run]) -> str:
    """Format the runs that did not finish, as ``1 failed, 2 missing``; "" where all did."""
    tally = Counter(run.status for run in runs if run.status != "ok")
    return ", ".join(f"{n} {STATUSES[status]}" for status, n in tally.items())


def _reason_for_none(runs: Sequence[Run]) -> str:
    states = {run.status for run in runs}
    if "ok" in states:
        return "not measured"
    return STATUSES[states.pop()] if len(states) == 1 else _unfinished(runs)


def effect_table(results: Results) -> Table:
    """Return each arm's effect over its baseline in every metric with a direction, or else in the first metric."""
    pairs = results.against_baseline()
    baselines = list(dict.fromkeys(baseline for _, baseline in pairs))
    columns = (
        Column("Arm"), *([Column("Against")] if len(baselines) > 1 else []), Column("Metric"),
        Column("Difference", True), Column("95 % interval", True), Column("p", True), Column("p, Holm", True),
        Column("p, sign flips", True), Column("Detectable", True), Column("Pairs", True), Column("Changes"),
        Column("Test"), Column("Verdict"),
    )  # fmt: skip
    rows: list[tuple[Entry, ...]] = []
    directed = [metric for metric in results.metrics if results.direction(metric) is not None]
    for metric in directed or results.metrics[:1]:
        values, contrast_keys = results.values(metric), _contrast_keys(results, metric)
        for effect in protocols.effects_alike(results, metric, pairs):
            arm, baseline, *figures = _effect_row(effect, metric, results.direction(metric))
            is_contrast = pair_key(values.loc[effect.a], values.loc[effect.b]) in contrast_keys
            figures.insert(-1, Entry(", ".join(provenance.factors(results, effect.a, effect.b))))
            figures.insert(-1, Entry("a contrast", mark="") if is_contrast else Entry("explored", mark="quiet"))
            if not protocols.measured_alike(results, metric, effect.a, effect.b):
                figures[-1] = Entry("different protocols ‡", mark="bad")
            rows.append((arm, *([baseline] if len(baselines) > 1 else []), *figures))
    notes = (
        f"Difference: mean over shared {formatting.block(results.seeds)}s of arm − baseline. Interval and p: paired "
        f"t-test, uncorrected. Pairs: {formatting.block(results.seeds)}s that both arms have. Test: a contrast was "
        "stated by the suite, the others are explored. "
        f"The verdict follows the corrected p at 5 %. {family_note(results)}",
        "p, sign flips: exact over all signs of up to ten differences; with n pairs it is never below 2^(1 − n). "
        "Detectable: the smallest difference that so many pairs of this spread show at 5 % in 80 % of studies. "
        "Changes: the keys in which the two arms differ; of several, the effect is that of all together.",
    )
    title = f"Every arm against {baselines[0] if len(baselines) == 1 else 'its baseline'}"
    return _of_data(results, Table("effects", title, columns, tuple(rows), notes))


def family_note(results: Results) -> str:
    """Return the sentences on the family of tests that p-values were corrected in."""
    family, suites = results.family, len(results.family.suites)
    whole = f"the {suites} suites of the same pack ({formatting.join_some(family.suites, 12)})"
    contrasts = (
        f"Contrasts are corrected together by Holm's procedure: {formatting.count(family.contrasts, 'test')} of "
        f"{whole if suites > 1 else 'this suite'}; tests of the very same figures count once. "
    )
    explored = "Differences outside the contrasts are exploratory: they are corrected together, metric by metric" + (
        ", those of all these suites." if suites > 1 else "."
    )
    return (contrasts if family.contrasts else "") + explored


def _contrast_keys(results: Results, metric: str) -> frozenset[PairKey]:
    """Return the tests of the suite's contrasts, which are in its first metric."""
    if metric != results.metrics[0]:
        return frozenset()
    values = results.values(metric)
    keys = []
    for contrast in results.suite.contrasts:
        a, b = (results.twins.get(label, label) for label in (contrast.a, contrast.b))
        for _, arm, other in contrast_pairs(a, b, results.labels, results.first_axis):
            keys.append(pair_key(values.loc[arm], values.loc[other]))
    return frozenset(keys)


def _effect_row(effect: Effect, metric: str, direction: bool | None) -> tuple[Entry, ...]:
    estimate, verdict = effect.estimate, formatting.verdict(effect, direction)
    places = formatting.decimals(estimate.half) if estimate.half > 0 else None
    mark: Mapping[str, Mark] = {"worse": "bad", "better": "best"}
    exact, detectable = sign_flip_p(effect.differences), detectable_effect(effect.differences)
    return (
        Entry(effect.a),
        Entry(effect.b),
        Entry(formatting.title(metric)),
        Entry(formatting.signed(estimate.mean, places), finite(estimate.mean), estimate=estimate),
        Entry(formatting.interval(estimate), finite(estimate.low)),
        Entry(formatting.p_value(effect.p), finite(effect.p)),
        Entry(formatting.p_value(effect.p_holm), finite(effect.p_holm)),
        Entry(formatting.p_value(exact), finite(exact)),
        Entry(formatting.number(detectable, 2) if math.isfinite(detectable) else formatting.NONE, finite(detectable)),
        Entry(str(estimate.n), estimate.n),
        Entry(verdict, mark=mark.get(verdict, "quiet")),
    )


def rank(results: Results, metric: str) -> Table | None:
    """Return the table of mean ranks; None where the metric has no direction or there are too few arms or seeds."""
    direction = results.direction(metric)
    if direction is None or not protocols.rankable(results, metric):
        return None
    try:
        ranking = friedman(results.values(metric).dropna(how="all"), direction)
    except ValueError:
        return None  # The results table shows how many arms and seeds there are.
    return _of_data(results, ranking_table(ranking, metric))


def rank_over_data(results: Results, metric: str) -> Table | None:
    """Return the table of mean ranks over data sets, each arm's mean over its seeds ranked within each set.

    Data sets are the blocks; the seeds within a set are repetitions. None for fewer than two sets.
    """
    direction = results.direction(metric)
    parts = results.parts.values()
    if len(parts) < 2 or direction is None or not all(protocols.rankable(part, metric) for part in parts):
        return None
    means = {data: part.values(metric).mean(axis="columns") for data, part in results.parts.items()}
    try:
        ranking = friedman(pd.DataFrame(means).dropna(how="all"), direction)
    except ValueError:
        return None
    table = ranking_table(ranking, metric)
    return replace(table, name="ranking", title=f"{table.title}, over data sets")


def ranking_table(ranking: Ranking, metric: str) -> Table:
    """Return the mean ranks, with Friedman's test and Nemenyi's critical difference below."""
    rows = tuple((Entry(arm), Entry(f"{rank:.2f}", rank)) for arm, rank in ranking.mean_ranks.items())
    p = formatting.p_value(ranking.p)
    note = (
        f"Friedman's χ² = {ranking.statistic:.2f}, p {p if p.startswith('<') else f'= {p}'}, over "
        f"{formatting.seeds(ranking.columns)}: the arms {'differ' if ranking.p < 0.05 else 'are not separated'}. "
        "Two arms differ at 5 % over all pairs where their mean ranks differ by more than "
        f"{ranking.critical_difference:.2f} (Nemenyi)."
    )
    columns = (Column("Arm"), Column("Mean rank (1 is best)", True))
    return Table("ranking", f"Mean ranks by {formatting.noun(metric)}", columns, rows, (note,))


def machines_of_runs(results: Results) -> dict[str, list[str]]:
    """Return the machines that recorded each run, that of its first record first."""
    if results.frame.empty:
        return {}
    pairs = results.frame[["run", "repeat", "machine"]].drop_duplicates().sort_values("repeat", kind="stable")
    machines: dict[str, list[str]] = {}
    for run, machine in zip(pairs["run"], pairs["machine"], strict=True):
        if machine and machine not in machines.setdefault(str(run), []):
            machines[str(run)].append(str(machine))
    return machines


def run_table(results: Results, linked: Collection[str] = ()) -> Table:
    """Return every cell of the suite with its state and its figures.

    Args:
        results: the suite's results.
        linked: ids of the runs that have a page of their own, to which their row links.
    """
    metrics = results.metrics
    machines = machines_of_runs(results)
    several = len({name for names in machines.values() for name in names}) > 1
    columns = [Column("Arm"), Column("Seed", True), Column("Run"), Column("State")]
    if several:
        columns.append(Column("Machine", hint="the machines that recorded the run", choices=True))
    columns += [_metric_column(results, metric) for metric in metrics]
    values = {metric: results.values(metric) for metric in metrics}
    rows = []
    for run in results.runs:
        home = results.twins.get(run.arm, run.arm)
        seed = float(run.seed) if run.seed.lstrip("-").isdigit() else None
        rows.append((
            Entry(run.arm), Entry(run.seed, seed),
            Entry(run.id, link=f"runs/{run.id}.html" if run.id in linked else ""),
            Entry(STATUSES[run.status], mark="" if run.status == "ok" else "bad", hint=run.reason),
            *([Entry(", ".join(machines.get(run.id, ())) or formatting.NONE)] if several else []),
            *(number_entry(float(values[metric].loc[home, run.seed])) for metric in metrics),
        ))  # fmt: skip
    notes = (
        "Run: the hash of the run's spec, by which the commands show, logs and compare name it. State: of its "
        "record; the pointer shows the reason where it has none. The other columns are the record's last figures.",
    )
    return Table("runs", "Every run", tuple(columns), tuple(rows), notes)


def former_run_table(records: Mapping[str, Record], names: Mapping[str, str]) -> Table | None:
    """Return the records of cells that an earlier version of the suite had; None without any.

    Args:
        records: by id.
        names: of the cells, by id.
    """
    rows = []
    for identity, record in records.items():
        figures = [
            f"{formatting.noun(m.name)} {formatting.number(m.value)}"
            for m in record.measurements
            if m.value is not None
        ]
        texts = (names[identity], identity, str(record.status), "; ".join(figures) or formatting.NONE)
        rows.append(tuple(Entry(text) for text in texts))
    columns = (Column("Cell"), Column("Run"), Column("State"), Column("Figures"))
    return Table("earlier", "From an earlier version of this suite", columns, tuple(rows)) if rows else None
