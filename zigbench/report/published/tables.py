"""Tables of published figures beside measured ones, and of the protocols of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from zigbench.report import formatting, provenance
from zigbench.report.published.comparison import HIGHER_IS_BETTER, PublishedColumn, of_suite
from zigbench.report.published.figures import Figure
from zigbench.report.ranks import RankAgreement
from zigbench.report.results import Results
from zigbench.report.table import Column, Entry, Table, finite


def comparison_tables(columns: Sequence[PublishedColumn]) -> list[Table]:
    """Return a table for each published table and source."""
    groups: dict[tuple[str, str, str], list[PublishedColumn]] = {}
    for column in columns:
        groups.setdefault((column.table, column.source, column.data), []).append(column)
    return [comparison_table(group) for group in groups.values()]


def comparison_table(group: Sequence[PublishedColumn]) -> Table:
    """Return published figures beside measured ones, with their ranks, and below it the agreement of the ranks.

    Args:
        group: the columns of one table and source, at least one.
    """
    arms = list(dict.fromkeys(arm for column in group for arm in column.published))
    names = {arm: name for column in reversed(group) for arm, name in column.names.items()}
    columns, cells, notes = [Column("Arm"), Column("Published as")], [[Entry(a), Entry(names[a])] for a in arms], []
    for column in group:
        columns.append(Column(f"Published {column.heading}", True))
        _add_ranked(cells, arms, column.published, column.metric in HIGHER_IS_BETTER, "{:g}".format)
        notes += [
            f"Rank agreement with {column.heading}{f', {reading}' if reading else ''}: {_format_agreement(agreement)}."
            for reading, agreement in column.agreements.items()
        ]
        notes += _size_note(column)
    by_metric = {column.measured_metric: column for column in reversed(group)}
    for metric in reversed(by_metric):
        measured = {arm: v for c in group if c.measured_metric == metric for arm, v in c.measured.items()}
        columns.append(Column(f"Measured {formatting.title(metric)}", True))
        _add_ranked(cells, arms, measured, by_metric[metric].higher_is_better, formatting.number)
        if least := {arm: v for c in group if c.measured_metric == metric for arm, v in c.least.items()}:
            word = "highest" if by_metric[metric].higher_is_better else "least"
            columns.append(Column(f"Measured {formatting.title(metric)}, {word} of all steps", True))
            _add_ranked(cells, arms, least, by_metric[metric].higher_is_better, formatting.number)
    for column in group:
        if column.same_metric:
            gaps = {arm: column.measured[arm] - value for arm, value in column.published.items()}
            columns.append(Column(f"Measured − published {column.heading}", True))
            for arm, row in zip(arms, cells, strict=True):
                gap = gaps.get(arm, math.nan)
                row.append(Entry(formatting.signed(gap), finite(gap)))
    notes.insert(
        0,
        f"Source: {group[0].source}. In brackets: the rank in the column, 1 is best, and the place between the best, "
        "0 %, and the worst, 100 %.",
    )
    if unlike := dict.fromkeys(formatting.title(c.metric) for c in group if not c.same_metric):
        notes.append(
            f"Measured and published {formatting.join(list(unlike))} differ in kind or in the number of samples: "
            "compare their order, not their size."
        )
    rows = tuple(tuple(row) for row in cells)
    title = f"Published beside measured: {group[0].table.replace('_', ' ')}"
    name = f"published-{formatting.slug(group[0].table)}"
    if group[0].data:
        name, title = f"{name}-{formatting.slug(group[0].data)}", f"{title}, {group[0].data}"
    return Table(name, title, tuple(columns), rows, tuple(notes))


def _places(values: Mapping[str, float], higher: bool) -> dict[str, float]:
    """Return the place of each finite value between the best (0) and the worst (1); none where all are equal."""
    finite_values = {arm: value for arm, value in values.items() if math.isfinite(value)}
    low, high = min(finite_values.values(), default=0.0), max(finite_values.values(), default=0.0)
    if low == high:
        return {}
    best, worst = (high, low) if higher else (low, high)
    return {arm: (value - best) / (worst - best) for arm, value in finite_values.items()}


def _size_note(column: PublishedColumn) -> list[str]:
    """Return a note on where the sizes of published and measured differences are furthest apart, and their ratios."""
    published = _places(column.published, column.metric in HIGHER_IS_BETTER)
    measured = _places(column.measured, column.higher_is_better)
    shared = [arm for arm in published if arm in measured]
    if len(shared) < 3:
        return []
    furthest = max(shared, key=lambda arm: abs(published[arm] - measured[arm]))
    note = (
        f"Size of the effects beside {column.heading}: {furthest} lies {formatting.percent(published[furthest], 0)} of "
        f"the way from the best to the worst as published, {formatting.percent(measured[furthest], 0)} as measured."
    )
    extremes = []
    for values in (column.published, column.measured):
        finite_values = [value for value in values.values() if math.isfinite(value)]
        extremes.append((min(finite_values), max(finite_values)))
    if all(low > 0 for low, _ in extremes):
        of_published, of_measured = (formatting.number(high / low, 3) for low, high in extremes)
        note += (
            f" The largest value is {of_published} times the smallest as published, {of_measured} times as measured."
        )
    return [note]


def _add_ranked(
    cells: list[list[Entry]],
    arms: list[str],
    values: Mapping[str, float],
    higher: bool,
    formatted: Callable[[float], str],
) -> None:
    """Append a column of figures with their ranks; a dash for an arm that has none."""
    finite_values = pd.Series({arm: v for arm, v in values.items() if math.isfinite(v)}, dtype=float)
    ranks, places = finite_values.rank(ascending=not higher), _places(values, higher)
    for arm, row in zip(arms, cells, strict=True):
        if arm in finite_values:
            value = float(finite_values[arm])
            place = f", {formatting.percent(places[arm], 0)}" if arm in places else ""
            row.append(Entry(f"{formatted(value)} ({ranks[arm]:g}{place})", value))
        else:
            row.append(Entry(formatting.NONE))


def _format_agreement(agreement: RankAgreement) -> str:
    tau = f"Kendall's τ = {formatting.signed(agreement.tau, 2)}"
    orders = math.factorial(agreement.n)
    chance = f"; {agreement.n} arms in a random order agree so once in {orders:,}" if agreement.tau == 1 else ""
    if not math.isfinite(agreement.low):
        return f"{tau} ({agreement.n} arms; fewer than two seeds, so no interval{chance})"
    low, high = formatting.signed(agreement.low, 2), formatting.signed(agreement.high, 2)
    lowest, highest = (formatting.signed(extreme(agreement.single), 2) for extreme in (min, max))
    single = f"{lowest} in each seed" if lowest == highest else f"{lowest} to {highest} in single seeds"
    return f"{tau} ({agreement.n} arms; 95 % bootstrap interval over seeds {low} to {high}; {single}{chance})"


def protocol_table(results: Results, figures: Sequence[Figure]) -> Table | None:
    """Return the conditions of the published figures beside those of the measured; None where nothing is published."""
    published = of_suite(results, figures)
    if not published:
        return None
    shared, _ = provenance.settings(results)

    def stated(key: str) -> str:
        return ", ".join(dict.fromkeys(getattr(figure, key) for figure in published))

    geometry = results.runs[0].cell.spec.geometry if results.runs else None
    size = f"{geometry.height}×{geometry.width}×{geometry.channels}" if geometry else formatting.NONE
    size += f", {geometry.tokens:,} patches" if geometry else ""
    steps, batch = shared.get("training.steps"), shared.get("training.batch")
    trained = any(run.cell.spec.task == "train" for run in results.runs)
    training = f"{int(steps):,} steps of {batch} images" if steps and batch else "varies"
    training = training if trained else "nothing is trained here"
    others = ", ".join(dict.fromkeys(f.setting.replace(";", ", ") for f in published if f.setting)) or "not stated"
    rows = [
        ("Data", stated("dataset"), shared.get("data.name", "varies")),
        ("Size", f"{stated('resolution')} pixels a side", size),
        ("Metric", ", ".join(dict.fromkeys(formatting.title(f.metric) for f in published)),
         ", ".join(formatting.title(m) for m in results.suite.metrics)),
        ("Training", "not stated", training),
        ("Other settings", others, f"position {shared.get('position', 'varies')}, {_format_sampler(shared)}"),
        ("Seeds", "not stated", formatting.seeds(results.seeds)),
        ("Hardware", "not stated", provenance.hardware(results) if results.finished else formatting.NONE),
        ("Source", stated("source"), "the records of this suite"),
    ]  # fmt: skip
    columns = (Column(""), Column("Published"), Column("Measured here"))
    entries = tuple(tuple(Entry(text) for text in row) for row in rows)
    return Table("protocols", "Published and measured protocols", columns, entries)


def protocol_summary(results: Results, figures: Sequence[Figure], columns: Sequence[PublishedColumn]) -> str:
    """Return one sentence on how the published figures differ from the measured; "" where nothing is published."""
    published = of_suite(results, figures)
    if not published or not results.runs or not results.metrics:
        return ""
    shared, _ = provenance.settings(results)
    geometry = results.runs[0].cell.spec.geometry
    data = formatting.join(list(dict.fromkeys(f"{f.dataset} at {f.resolution} pixels" for f in published)))
    metrics = formatting.join(list(dict.fromkeys(formatting.title(f.metric) for f in published)))
    measured = f"{shared.get('data.name', 'several data sets')} at {geometry.height}×{geometry.width}"
    summary = f"Published: {metrics} on {data}. Measured here: {formatting.noun(results.metrics[0])} on {measured}."
    if any(column.same_metric for column in columns):
        return summary
    return f"{summary} Compare the order of the arms, not the size of the figures."


def _format_sampler(shared: Mapping[str, str]) -> str:
    solver, steps = shared.get("sampler.solver"), shared.get("sampler.steps")
    return f"{solver} sampler, {steps} steps" if solver and steps else "sampler varies"
