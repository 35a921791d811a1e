"""What the figures rest on: equality across cells, the environment, the shared settings, notes, protocols."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from zigbench.report import formatting
from zigbench.report.published import Figure, compare
from zigbench.report.results import Results
from zigbench.report.speed.series import dial_of, unlike
from zigbench.report.statistics import mean_interval
from zigbench.report.tables import Column, Entry, Table
from zigbench.spec.overrides import flatten

# Facts of the environment that speed and memory depend on.
COMPARED = tuple(
    f"environment.{name}"
    for name in ("device", "gpu", "machine.gpu", "machine.cpu", "kernel", "kernels", "threads", "precision")
)

MACHINE_UNITS = frozenset(
    {"s", "ms", "us", "µs", "image/s", "images/s", "steps/s", "tokens/s", "frames/s", "byte", "B", "MB", "GB", "GiB"}
)


def equality_table(found: Results) -> Table | None:
    """Figures that must agree across arms (``suite.equal``): each arm's, its distance from the median, a verdict.

    An arm breaks the equality where it lies further from the median of the arms than the tolerance; where the
    extremes are further apart than the tolerance and no arm is that far from the median, the two extremes do.
    """
    rows: list[tuple[Entry, ...]] = []
    broken = 0
    for metric, tolerance in found.suite.equal.items():
        means = found.values(metric).apply(lambda row: mean_interval(row).mean, axis=1).dropna()
        if means.empty:
            why = "not measured"
            rows.append((Entry("all"), Entry(formatting.title(metric)), Entry("–"), Entry("–"), Entry(why, mark="bad")))
            continue
        middle = float(means.median())
        distances = (means - middle) / abs(middle) if middle else means - middle
        breaks = {str(arm) for arm in means.index[distances.abs() > tolerance]}
        if not breaks and float(distances.max() - distances.min()) > tolerance * (1 + float(distances.min())):
            breaks = {str(distances.idxmax()), str(distances.idxmin())}
        broken += len(breaks)
        for arm, value in means.items():
            share = float(distances[arm])
            entry = Entry(f"not {_within(tolerance)}", mark="bad") if arm in breaks else Entry("equal", mark="quiet")
            shown = Entry(formatting.signed(100 * share, 1) + " %", share)
            figure = Entry(formatting.number(float(value)), float(value))
            rows.append((Entry(str(arm)), Entry(formatting.title(metric)), figure, shown, entry))
    if not rows:
        return None
    columns = (
        Column("Arm"), Column("Figure"), Column("Value", True), Column("From the median", True), Column("Verdict"),
    )  # fmt: skip
    asked = ", ".join(f"{formatting.noun(m)} {_within(t)}" for m, t in found.suite.equal.items())
    found_text = f"{formatting.count(broken, 'arm breaks', 'arms break')} it" if broken else "all arms keep to it"
    return Table("equality", "What must be equal", columns, tuple(rows), (f"Asked for: {asked}; {found_text}.",))


def _within(tolerance: float) -> str:
    return f"within {100 * tolerance:g} %" if tolerance else "exactly equal"


def environment_table(found: Results) -> Table:
    """Where the records were made: one row a fact; facts that vary list their values with how often each occurs."""
    frame = found.frame.drop_duplicates("run")
    rows = []
    for name in sorted(c for c in frame.columns if c.startswith("environment.")):
        tally = Counter(_text(value) for value in frame[name] if not _absent(value))
        if not tally:
            continue
        varies = len(tally) > 1
        shown = "; ".join(f"{value} ({count} runs)" if varies else value for value, count in tally.most_common(12))
        rows.append((Entry(name.removeprefix("environment.")), Entry(shown, mark="bad" if varies else "")))
    notes = ("Marked: facts that differ between the runs.",) if any(row[1].mark for row in rows) else ()
    return Table("environment", "Environment", (Column("Fact"), Column("Value")), tuple(rows), notes)


def mixed(found: Results) -> tuple[str, ...]:
    """What of the machinery differs between finished runs, where the suite shows speed or memory: they depend on it."""
    if not any(found.unit(metric) in MACHINE_UNITS for metric in found.metrics):
        return ()
    if dial_of(found) is not None:
        advice = "They are lines of their own: what sets those apart is not the network alone."
        return tuple(
            f"Runs differ in {what}: {formatting.listed(list(of))}. {advice}" for what, of in unlike(found).items()
        )
    finished = found.frame[found.frame["status"] == "ok"].drop_duplicates("run")
    said = []
    for name in COMPARED:
        if name in finished:
            values = list(dict.fromkeys(_text(v) for v in finished[name] if not _absent(v)))
            if len(values) > 1:
                what = name.removeprefix("environment.").replace(".", " ")
                shown = formatting.listed(values[:6]) + (" and more" if len(values) > 6 else "")
                said.append(f"Runs differ in {what}: {shown}. Do not compare their speed or memory.")
    return tuple(said)


def repeated(found: Results) -> tuple[str, ...]:
    """Return a sentence on each run that was recorded more than once, with what each machine measured."""
    sentences = []
    names = {run.id: run.cell.name for run in found.runs}
    metric = found.metrics[0] if found.metrics else None
    for run in found.frame.loc[found.frame["repeat"] > 0, "run"].unique():
        records = found.frame[found.frame["run"] == run]
        values = []
        for _, rows in records.groupby("repeat"):
            figures = rows.loc[rows["metric"] == metric, "value"]
            value = formatting.number(figures.iloc[-1]) if len(figures) else rows["status"].iloc[0]
            values.append(f"{rows['machine'].iloc[0]}: {value}")
        of = f" ({formatting.noun(metric)})" if metric else ""
        sentences.append(
            f"{names[run]} was measured more than once{of}: {'; '.join(values)}. "
            "Tables and figures use the first; the frame has all."
        )
    return tuple(sentences)


def other_code(found: Results) -> tuple[str, ...]:
    """Which runs were done with other code than they were submitted with."""
    names = [run.cell.name for run in found.runs if run.record and "submitted_code" in run.record.environment]
    if not names:
        return ()
    which = formatting.listed(names[:4]) + (
        f" and {formatting.count(len(names) - 4, 'other')}" if len(names) > 4 else ""
    )
    return (
        f"{formatting.count(len(names), 'run was', 'runs were')} done with other code than submitted with: {which}. "
        "The table of the environment names both.",
    )


def settings(found: Results) -> tuple[dict[str, str], tuple[str, ...]]:
    """Settings that all cells share, dotted; and the paths of those that vary."""
    flats = [flatten(run.cell.spec.resolved()) for run in found.runs]
    keys = list(dict.fromkeys(key for flat in flats for key in flat))
    shared = {k: _text(flats[0][k]) for k in keys if all(k in f and f[k] == flats[0].get(k) for f in flats)}
    return shared, tuple(k for k in keys if k not in shared)


def notes(found: Results) -> tuple[str, ...]:
    """The suite's notes and what the measurements say of themselves, each once."""
    said = list(found.suite.notes)
    if len(found.frame):
        for metric, note in dict.fromkeys(zip(found.frame["metric"], found.frame["note"], strict=True)):
            if isinstance(note, str) and note:
                said.append(f"{formatting.title(metric)}: {note}")
        protocols = {metric: found.protocols(metric) for metric in found.metrics}
        said += [
            f"{formatting.title(m)} was measured under protocol {p[0]}." for m, p in protocols.items() if len(p) == 1
        ]
    return tuple(dict.fromkeys(said))


def hardware(found: Results) -> str:
    """``cuda · NVIDIA H200`` or ``cpu · AMD EPYC``, of the finished runs; several are joined by a comma."""
    frame = found.frame[found.frame["status"] == "ok"].drop_duplicates("run")
    seen = []
    for _, row in frame.iterrows():
        device = row.get("environment.device")
        name = row.get("environment.gpu", row.get("environment.machine.gpu"))
        name = row.get("environment.machine.cpu") if _absent(name) else name
        seen.append(" · ".join(_text(part) for part in (device, name) if not _absent(part)))
    return ", ".join(dict.fromkeys(text for text in seen if text)) or "unknown hardware"


def differences(found: Results, figures: tuple[Figure, ...]) -> Table | None:
    """What the published figures were measured on beside what these were; None where nothing was published."""
    published = [f for f in figures if f.table in found.suite.published]
    if not published:
        return None
    shared, _ = settings(found)

    def theirs(key: str) -> str:
        return ", ".join(dict.fromkeys(getattr(f, key) for f in published))

    geometry = found.runs[0].cell.spec.geometry if found.runs else None
    size = f"{geometry.height}×{geometry.width}×{geometry.channels}" if geometry else "–"
    size += f", {geometry.tokens:,} patches" if geometry else ""
    training = [shared.get("training.steps"), shared.get("training.batch")]
    length = f"{int(training[0]):,} steps of {training[1]} images" if all(training) and training[0] else "varies"
    stated = ", ".join(dict.fromkeys(f.setting.replace(";", ", ") for f in published if f.setting)) or "not stated"
    rows = [
        ("Data", theirs("dataset"), shared.get("data.name", "varies")),
        ("Size", f"{theirs('resolution')} pixels a side", size),
        ("Metric", ", ".join(dict.fromkeys(formatting.title(f.metric) for f in published)),
         ", ".join(formatting.title(m) for m in found.suite.metrics)),
        ("Training", "not stated", length),
        ("Other settings", stated, f"position {shared.get('position', 'varies')}, {_sampler(shared)}"),
        ("Seeds", "not stated", formatting.seeds(found.seeds)),
        ("Hardware", "not stated", hardware(found) if found.finished else "–"),
        ("Source", theirs("source"), "the records of this suite"),
    ]  # fmt: skip
    columns = (Column(""), Column("Published"), Column("Measured here"))
    entries = tuple(tuple(Entry(text) for text in row) for row in rows)
    return Table("protocols", "Published and measured protocols", columns, entries)


def in_short(found: Results, figures: tuple[Figure, ...]) -> str:
    """One sentence on how far the published figures are from these; "" where nothing was published."""
    published = [f for f in figures if f.table in found.suite.published]
    if not published or not found.runs or not found.metrics:
        return ""
    shared, _ = settings(found)
    geometry = found.runs[0].cell.spec.geometry
    theirs = formatting.listed(list(dict.fromkeys(f"{f.dataset} at {f.resolution} pixels" for f in published)))
    metrics = formatting.listed(list(dict.fromkeys(formatting.title(f.metric) for f in published)))
    ours = f"{shared.get('data.name', 'several data sets')} at {geometry.height}×{geometry.width}"
    said = f"Published: {metrics} on {theirs}. Measured here: {formatting.noun(found.metrics[0])} on {ours}."
    if any(comparison.same_metric for comparison in compare(found, figures)):
        return said
    return f"{said} Compare the order of the arms, not the size of the figures."


def _sampler(shared: Mapping[str, str]) -> str:
    solver, steps = shared.get("sampler.solver"), shared.get("sampler.steps")
    return f"{solver} sampler, {steps} steps" if solver and steps else "sampler varies"


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
