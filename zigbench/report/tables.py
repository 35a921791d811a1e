"""Tables as data: what each cell says, what it sorts by, and whether it is marked. Writers and pages render them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from zigbench.report import formatting, protocols
from zigbench.report.published import HIGHER_IS_BETTER, Comparison
from zigbench.report.results import Results, Run
from zigbench.report.statistics import Effect, Estimate, Ranking, effects, mean_interval, standing

Mark = Literal["", "best", "level", "bad", "quiet"]

STATUSES = {
    "failed": "failed", "oom": "out of memory", "diverged": "diverged", "timeout": "out of time",
    "damaged": "damaged", "submitted": "submitted", "running": "running", "missing": "missing", "ok": "ok",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One cell: its text, the number it sorts by, its mark, a hover text, the estimate behind it and its protocol."""

    text: str
    value: float | None = None
    mark: Mark = ""
    hint: str = ""
    estimate: Estimate | None = None
    link: str = ""
    protocol: str = ""


@dataclass(frozen=True)
class Column:
    """A column's heading, whether it holds numbers, and a hover text."""

    title: str
    numeric: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under columns, with a caption and the notes that belong below. ``name`` is its file's stem."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), self.name


def result_table(results: Results) -> Table:
    """Arm × metric: mean ± 95 % t-interval over seeds; the best is marked only where it is separated."""
    metrics = results.metrics
    columns = [Column("Arm"), Column("Runs", numeric=True, hint="finished / planned")]
    columns += [_metric_column(results, metric) for metric in metrics]
    entries: dict[str, dict[str, Entry]] = {metric: _metric_entries(results, metric) for metric in metrics}
    rows = []
    for arm, runs in results.by_arm.items():
        done = sum(run.status == "ok" for run in runs)
        gap = _gaps(runs)
        tally = Entry(f"{done}/{len(runs)}", done, "bad" if gap else "", gap)
        rows.append((Entry(arm), tally, *(entries[metric][arm] for metric in metrics)))
    notes = [
        f"Mean ± half of the 95 % t-interval over {formatting.seeds(results.seeds)}.",
        "Bold: the best, where it is separated from every other arm (paired t-tests, Holm-corrected, 5 %). "
        "Underlined: the best mean and whatever is not separated from it.",
    ]
    if any("[" in entry.text for column in entries.values() for entry in column.values()):
        kinds = formatting.listed(list(dict.fromkeys(run.interval for run in results.finished)))
        notes.append(f"In square brackets, where there is one seed: the {kinds} within that run.")
    notes += [chance for metric in metrics if (chance := _chance(results, metric))]
    notes += [note for metric in metrics for note in protocols.difference_notes(results, metric)]
    if told := [
        f"{formatting.noun(m)} {home[: protocols.SHOWN]}" for m in metrics if (home := protocols.usual(results, m))
    ]:
        notes.append(f"Protocols: {', '.join(told)}; each run's page and protocols.json have them in full.")
    notes += [f"{arm}: {text}." for arm, runs in results.by_arm.items() if (text := _gaps(runs))]
    return Table("results", "Results by arm", tuple(columns), tuple(rows), tuple(notes))


def _chance(results: Results, metric: str) -> str:
    """What a network that ignores its labels reaches in a metric that asks for them; "" for others."""
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
    clash = " ‡" if protocols.mixed(results, metric) else ""
    return Column(formatting.title(metric) + (f" ({unit})" if unit else "") + arrow + clash, True, hint)


def _metric_entries(results: Results, metric: str) -> dict[str, Entry]:
    values, direction = results.values(metric), results.direction(metric)
    comparable = direction is not None and protocols.comparable(results, metric)
    rank = standing(values, bool(direction)) if comparable else None
    found = {}
    within, measured_as = _within_runs(results, metric), protocols.by_arm(results, metric)
    odd = protocols.odd_arms(results, metric)
    for arm in results.arms:
        estimate = mean_interval(values.loc[arm])
        if not estimate.n:
            found[arm] = Entry(_why_none(results.by_arm[arm]), None, "bad")
            continue
        mark: Mark = ""
        if rank is not None and rank.leader is not None:
            if arm == rank.leader:
                mark = "best" if rank.separated else "level"
            elif arm in rank.level:
                mark = "level"
        hint = f"n = {estimate.n}" + (f", 95 % {formatting.interval(estimate)}" if math.isfinite(estimate.half) else "")
        text = formatting.plus_minus(estimate)
        if estimate.n == 1 and arm in within:
            text += f" [{formatting.number(within[arm][0])}, {formatting.number(within[arm][1])}]"
        hashes = " ".join(measured_as.get(arm, ()))
        hint += f", protocol {hashes}" if hashes else ""
        text += " ‡" if arm in odd else ""
        found[arm] = Entry(text, estimate.mean, mark, hint, estimate, protocol=hashes)
    return found


def _within_runs(results: Results, metric: str) -> dict[str, tuple[float, float]]:
    """The interval that the record itself states, by arm; of a single run it is the only one there is."""
    rows = results.rows(metric).dropna(subset=["low", "high"])
    return {str(r.arm): (float(r.low), float(r.high)) for r in rows.itertuples()}


def _gaps(runs: tuple[Run, ...]) -> str:
    """``1 failed, 2 missing``; "" where all is well."""
    tally = Counter(run.status for run in runs if run.status != "ok")
    return ", ".join(f"{n} {STATUSES[status]}" for status, n in tally.items())


def _why_none(runs: tuple[Run, ...]) -> str:
    states = {run.status for run in runs}
    if "ok" in states:
        return "not measured"
    return STATUSES[states.pop()] if len(states) == 1 else _gaps(runs)


def effect_table(results: Results) -> tuple[Table, tuple[Effect, ...]]:
    """Each arm against its baseline in every metric with a direction; and the effects in the first metric."""
    pairs = results.against_baseline()
    homes = list(dict.fromkeys(home for _, home in pairs))
    columns = (
        Column("Arm"), *([Column("Against")] if len(homes) > 1 else []), Column("Metric"), Column("Difference", True),
        Column("95 % interval", True), Column("p", True), Column("p, Holm", True), Column("Pairs", True),
        Column("Verdict"),
    )  # fmt: skip
    rows: list[tuple[Entry, ...]] = []
    first: tuple[Effect, ...] = ()
    directed = [metric for metric in results.metrics if results.direction(metric) is not None]
    for metric in directed or results.metrics[:1]:
        family = effects(results.values(metric), pairs)
        first = first or family
        for effect in family:
            arm, home, *figures = _effect_row(effect, metric, results.direction(metric))
            if not protocols.alike(results, metric, effect.a, effect.b):
                figures[-1] = Entry("unlike protocols ‡", mark="bad")
            rows.append((arm, *([home] if len(homes) > 1 else []), *figures))
    notes = (
        f"Difference: mean over shared {formatting.block(results.seeds)}s of arm − baseline; interval and p from the "
        "paired t-test, uncorrected; Holm's correction over the arms of each metric, tests of the very same figures "
        "counting once. The verdict follows the corrected p at 5 %.",
    )
    title = f"Every arm against {homes[0] if len(homes) == 1 else 'its baseline'}"
    return Table("effects", title, columns, tuple(rows), notes), first


def _effect_row(effect: Effect, metric: str, direction: bool | None) -> tuple[Entry, ...]:
    estimate, says = effect.estimate, formatting.verdict(effect, direction)
    places = formatting.decimals(estimate.half) if estimate.half > 0 else None
    return (
        Entry(effect.a),
        Entry(effect.b),
        Entry(formatting.title(metric)),
        Entry(formatting.signed(estimate.mean, places), _finite(estimate.mean), estimate=estimate),
        Entry(formatting.interval(estimate), _finite(estimate.low)),
        Entry(formatting.p_value(effect.p), _finite(effect.p)),
        Entry(formatting.p_value(effect.p_holm), _finite(effect.p_holm)),
        Entry(str(estimate.n), estimate.n),
        Entry(says, mark={"worse": "bad", "better": "best"}.get(says, "quiet")),  # type: ignore[arg-type]
    )


def ranking_table(ranking: Ranking, metric: str) -> Table:
    """Mean ranks, with the verdict of Friedman's test and Nemenyi's critical difference below."""
    rows = tuple((Entry(arm), Entry(f"{rank:.2f}", rank)) for arm, rank in ranking.mean_ranks.items())
    found = "differ" if ranking.p < 0.05 else "are not shown to differ"
    note = (
        f"Friedman's χ² = {ranking.statistic:.2f}, p {_p(ranking.p)}, over {formatting.seeds(ranking.columns)}: "
        f"the arms {found}. Two arms differ at 5 % over all pairs where their mean ranks are more than "
        f"{ranking.critical_difference:.2f} apart (Nemenyi)."
    )
    columns = (Column("Arm"), Column("Mean rank (1 is best)", True))
    return Table("ranking", f"Mean ranks by {formatting.noun(metric)}", columns, rows, (note,))


def _p(p: float) -> str:
    text = formatting.p_value(p)
    return text if text.startswith("<") else f"= {text}"


def published_table(group: Sequence[Comparison]) -> Table:
    """One published table beside what was measured: figures with their ranks, and the agreement of the ranks below.

    Args:
        group: the columns of one table and source, at least one.
    """
    arms = list(dict.fromkeys(arm for comparison in group for arm in comparison.published))
    names = {arm: name for comparison in reversed(group) for arm, name in comparison.names.items()}
    columns, cells, notes = [Column("Arm"), Column("Published as")], [[Entry(a), Entry(names[a])] for a in arms], []
    for comparison in group:
        what = _what(comparison)
        columns.append(Column(f"Published {what}", True))
        _add(cells, arms, comparison.published, comparison.metric in HIGHER_IS_BETTER, "{:g}".format)
        notes.append(f"Rank agreement with {what}: {_agreement(comparison)}.")
    by_metric = {comparison.measured_metric: comparison for comparison in reversed(group)}
    for metric in reversed(by_metric):
        every = {arm: v for c in group if c.measured_metric == metric for arm, v in c.measured.items()}
        columns.append(Column(f"Measured {formatting.title(metric)}", True))
        _add(cells, arms, every, by_metric[metric].higher_is_better, formatting.number)
    for comparison in group:
        if comparison.same_metric:
            gaps = {arm: comparison.measured[arm] - v for arm, v in comparison.published.items()}
            columns.append(Column(f"Measured − published {_what(comparison)}", True))
            for arm, row in zip(arms, cells, strict=True):
                gap = gaps.get(arm, math.nan)
                row.append(Entry(formatting.signed(gap), _finite(gap)))
    notes.insert(0, f"Source: {group[0].source}. In brackets: the rank in the column, 1 is best.")
    if unlike := dict.fromkeys(formatting.title(c.metric) for c in group if not c.same_metric):
        notes.append(
            f"Measured and published {formatting.listed(list(unlike))} differ in kind or in the number of samples: "
            "compare their order, not their size."
        )
    rows = tuple(tuple(row) for row in cells)
    title = f"Published beside measured: {group[0].table.replace('_', ' ')}"
    return Table(f"published-{formatting.slug(group[0].table)}", title, tuple(columns), rows, tuple(notes))


def _what(comparison: Comparison) -> str:
    return f"{formatting.title(comparison.metric)}, {comparison.dataset} {comparison.resolution}"


def _add(
    cells: list[list[Entry]], arms: list[str], values: Mapping[str, float], higher: bool, form: Callable[[float], str]
) -> None:
    """Append a column of figures with their ranks; a dash for an arm that has none."""
    known = pd.Series({arm: v for arm, v in values.items() if math.isfinite(v)}, dtype=float)
    ranks = known.rank(ascending=not higher)
    for arm, row in zip(arms, cells, strict=True):
        if arm in known:
            row.append(Entry(f"{form(float(known[arm]))} ({ranks[arm]:g})", float(known[arm])))
        else:
            row.append(Entry(formatting.NONE))


def _agreement(comparison: Comparison) -> str:
    agreement = comparison.agreement
    tau = f"Kendall's τ = {formatting.signed(agreement.tau, 2)}"
    if math.isfinite(agreement.low):
        return f"{tau} (95 % {formatting.signed(agreement.low, 2)} to {formatting.signed(agreement.high, 2)})"
    return f"{tau} (no interval: {agreement.n} arms)"


def run_table(results: Results, linked: Container[str] = ()) -> Table:
    """Every cell of the suite: its state, and its figures; runs whose id is in ``linked`` have a page of their own."""
    metrics = results.metrics
    columns = [Column("Arm"), Column("Seed", True), Column("Run"), Column("State")]
    columns += [_metric_column(results, metric) for metric in metrics]
    values = {metric: results.values(metric) for metric in metrics}
    rows = []
    for run in results.runs:
        figures = [float(values[metric].loc[run.arm, run.seed]) for metric in metrics]
        seed = float(run.seed) if run.seed.lstrip("-").isdigit() else None
        rows.append((
            Entry(run.arm), Entry(run.seed, seed),
            Entry(run.id, link=f"runs/{run.id}.html" if run.id in linked else ""),
            Entry(STATUSES[run.status], mark="" if run.status == "ok" else "bad", hint=run.reason),
            *(Entry(formatting.number(v), _finite(v)) for v in figures),
        ))  # fmt: skip
    return Table("runs", "Every run", tuple(columns), tuple(rows))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
