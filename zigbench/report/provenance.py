"""Provenance of a suite's figures: equality across arms, what arms differ in, environment, settings and notes."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from zigbench.records.record import UNREADABLE_SAMPLES
from zigbench.report import formatting
from zigbench.report.family import contrast_pairs
from zigbench.report.results import Results
from zigbench.report.speed.series import swept_size, unlike_conditions
from zigbench.report.statistics import mean_interval
from zigbench.report.table import Column, Entry, Table
from zigbench.spec.overrides import BELONGING, flatten

# Facts of the environment that speed and memory depend on.
COMPARED = (
    "environment.device",
    "environment.gpu",
    "environment.machine.gpu",
    "environment.machine.cpu",
    "environment.instructions.torch",
    "environment.instructions.kernels",
    "environment.kernel",
    "environment.kernels",
    "environment.threads",
    "environment.precision",
)

MACHINE_UNITS = frozenset(
    {"s", "ms", "us", "µs", "image/s", "images/s", "steps/s", "tokens/s", "frames/s", "byte", "B", "MB", "GB", "GiB"}
)


# Equality across arms.


def equality_table(results: Results) -> Table | None:
    """Return the figures that must agree across arms (``suite.equal``), with each arm's distance from the median.

    An arm breaks the equality where it lies further from the median of the arms than the tolerance; where the
    extremes are further apart than the tolerance and no arm is that far from the median, the two extremes do.
    """
    rows: list[tuple[Entry, ...]] = []
    broken = 0
    for metric, tolerance in results.suite.equal.items():
        means = results.values(metric).apply(lambda row: mean_interval(row).mean, axis=1).dropna()
        if means.empty:
            none = Entry(formatting.NONE)
            rows.append((Entry("all"), Entry(formatting.title(metric)), none, none, Entry("not measured", mark="bad")))
            continue
        middle = float(means.median())
        distances = (means - middle) / abs(middle) if middle else means - middle
        breaks = {str(arm) for arm in means.index[distances.abs() > tolerance]}
        if not breaks and float(distances.max() - distances.min()) > tolerance * (1 + float(distances.min())):
            breaks = {str(distances.idxmax()), str(distances.idxmin())}
        broken += len(breaks)
        for arm, value in means.items():
            share = float(distances[arm])
            rows.append((
                Entry(str(arm)),
                Entry(formatting.title(metric)),
                Entry(formatting.number(float(value)), float(value)),
                Entry(formatting.signed(100 * share, 1) + " %", share),
                Entry(f"not {_within(tolerance)}", mark="bad") if arm in breaks else Entry("equal", mark="quiet"),
            ))  # fmt: skip
    if not rows:
        return None
    columns = (
        Column("Arm"), Column("Figure"), Column("Value", True), Column("From the median", True), Column("Verdict"),
    )  # fmt: skip
    required = ", ".join(f"{formatting.noun(m)} {_within(t)}" for m, t in results.suite.equal.items())
    outcome = f"{formatting.count(broken, 'arm breaks', 'arms break')} it" if broken else "all arms keep to it"
    return Table(
        "equality",
        "What must be equal",
        columns,
        tuple(rows),
        (
            f"Required: {required}; {outcome}. From the median: the distance of an arm's mean from the median of all "
            "arms, as a share of that.",
        ),
    )


def _within(tolerance: float) -> str:
    return f"within {100 * tolerance:g} %" if tolerance else "exactly equal"


# Environment, code, settings, notes.


def environment_table(results: Results) -> Table:
    """Return the facts of the machines and versions, one a row; facts that vary list how often each value occurs."""
    frame = results.frame.drop_duplicates("run")
    rows = []
    for name in sorted(c for c in frame.columns if c.startswith("environment.")):
        tally = Counter(text(value) for value in frame[name] if not _absent(value))
        if not tally:
            continue
        varies = len(tally) > 1
        shown = "; ".join(f"{value} ({count} runs)" if varies else value for value, count in tally.most_common(12))
        rows.append((Entry(name.removeprefix("environment.")), Entry(shown, mark="bad" if varies else "")))
    notes = ("Marked: facts that differ between the runs.",) if any(row[1].mark for row in rows) else ()
    return Table("environment", "Environment", (Column("Fact"), Column("Value")), tuple(rows), notes)


def hardware(results: Results) -> str:
    """Format the devices of the finished runs, as ``cuda · NVIDIA H200`` or ``cpu · AMD EPYC``, joined by commas.

    Of a run that several machines recorded, the devices of all.
    """
    frame = results.frame[results.frame["status"] == "ok"].drop_duplicates(["run", "repeat"])
    devices = []
    for _, row in frame.iterrows():
        name = row.get("environment.gpu", row.get("environment.machine.gpu"))
        name = row.get("environment.machine.cpu") if _absent(name) else name
        parts = (row.get("environment.device"), name)
        devices.append(" · ".join(text(part) for part in parts if not _absent(part)))
    return ", ".join(dict.fromkeys(device for device in devices if device)) or "unknown hardware"


def machine_warnings(results: Results) -> tuple[str, ...]:
    """Return a warning for each fact of the machine that differs between runs, where speed or memory is shown."""
    if not any(results.unit(metric) in MACHINE_UNITS for metric in results.metrics):
        return ()
    if swept_size(results) is not None:
        return tuple(
            f"Runs differ in {name}: {formatting.join(values)}. Each condition has its own lines; such lines do "
            "not differ in the network alone."
            for name, values in unlike_conditions(results).items()
        )
    finished = results.frame[results.frame["status"] == "ok"].drop_duplicates("run")
    warnings = []
    for name in COMPARED:
        if name in finished:
            values = list(dict.fromkeys(text(v) for v in finished[name] if not _absent(v)))
            if len(values) > 1:
                fact = name.removeprefix("environment.").replace(".", " ")
                shown = formatting.join(values[:6]) + (" and more" if len(values) > 6 else "")
                warnings.append(f"Runs differ in {fact}: {shown}. Do not compare their speed or memory.")
    return tuple(warnings)


def data_warnings(results: Results) -> tuple[str, ...]:
    """Return a sentence that names the samples that could not be read, for each set of runs that left out the same."""
    frame = results.frame[results.frame["metric"] == UNREADABLE_SAMPLES]
    return tuple(f"{note}." for note in dict.fromkeys(frame["note"]))


def factors(results: Results, a: str, b: str) -> tuple[str, ...]:
    """Return the keys of the spec in which two arms differ; the name of a plug-in stands for all that belongs to it.

    Networks that are sampled differ by the settings that they were trained with, not by the runs that trained them.
    """
    one, other = (flatten(results.by_arm[arm][0].cell.spec.resolved()) for arm in (a, b))
    keys = [key for key in dict.fromkeys((*one, *other)) if key != "seed" and one.get(key) != other.get(key)]
    if len(keys) > 1 and "weights" in keys:
        keys.remove("weights")
    named = [key for key in ("backbone.name", "data.name", "objective.name") if key in keys]
    parts = [name.partition(".")[0] for name in named]
    owned = tuple(f"{own}." for part in parts for own in (part, *BELONGING.get(part, ())))
    return tuple(key for key in keys if key in named or not f"{key}.".startswith(owned))


def factor_warnings(results: Results) -> tuple[str, ...]:
    """Return a sentence on the contrasts of arms that differ in the same several keys: evidence for none of them."""
    by_keys: dict[tuple[str, ...], dict[str, None]] = {}
    for part in results.parts.values():
        for contrast in results.suite.contrasts:
            a, b = (part.twins.get(label, label) for label in (contrast.a, contrast.b))
            for _, arm, other in contrast_pairs(a, b, part.labels, part.first_axis):
                if len(keys := factors(part, arm, other)) > 1:
                    by_keys.setdefault(keys, {})[f"{arm} − {other}"] = None
    return tuple(
        f"The contrast{'s' if len(names) > 1 else ''} {formatting.join(tuple(names))} "
        f"{'change' if len(names) > 1 else 'changes'} {formatting.join(keys)}: "
        f"{'their' if len(names) > 1 else 'its'} effect is that of all together, and no evidence for one of them."
        for keys, names in by_keys.items()
    )


def code_warnings(results: Results) -> tuple[str, ...]:
    """Return a warning that names the runs done with other code than they were submitted with."""
    names = [run.cell.name for run in results.runs if run.record and "submitted_code" in run.record.environment]
    if not names:
        return ()
    return (
        f"{formatting.count(len(names), 'run was', 'runs were')} done with other code than submitted with: "
        f"{formatting.join_some(names)}. The table of the environment names both.",
    )


def repeat_warnings(results: Results) -> tuple[str, ...]:
    """Return a sentence on each run that was recorded more than once, with what each machine measured."""
    sentences = []
    names = {run.id: run.cell.name for run in results.runs}
    metric = results.metrics[0] if results.metrics else None
    for run in results.frame.loc[results.frame["repeat"] > 0, "run"].unique():
        records = results.frame[results.frame["run"] == run]
        values = []
        for _, rows in records.groupby("repeat"):
            figures = rows.loc[rows["metric"] == metric, "value"]
            value = formatting.number(figures.iloc[-1]) if len(figures) else rows["status"].iloc[0]
            values.append(f"{rows['machine'].iloc[0]}: {value}")
        of_metric = f" ({formatting.noun(metric)})" if metric else ""
        sentences.append(
            f"{names[run]} was measured more than once{of_metric}: {'; '.join(values)}. "
            "Tables and figures use the first; the frame has all."
        )
    return tuple(sentences)


def settings(results: Results) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the settings that all cells share, by dotted key, and the keys of those that vary."""
    flats = [flatten(run.cell.spec.resolved()) for run in results.runs]
    keys = list(dict.fromkeys(key for flat in flats for key in flat))
    shared = {k: text(flats[0][k]) for k in keys if all(k in f and f[k] == flats[0].get(k) for f in flats)}
    return shared, tuple(k for k in keys if k not in shared)


def notes(results: Results) -> tuple[str, ...]:
    """Return the suite's notes and those of the measurements, each once."""
    lines = list(results.suite.notes)
    if len(results.frame):
        for metric, note in dict.fromkeys(zip(results.frame["metric"], results.frame["note"], strict=True)):
            if isinstance(note, str) and note and metric != UNREADABLE_SAMPLES:
                lines.append(f"{formatting.title(metric)}: {note}")
        for metric in results.metrics:
            if len(protocols := results.protocols(metric)) == 1:
                lines.append(f"{formatting.title(metric)} was measured under protocol {protocols[0]}.")
    return tuple(dict.fromkeys(lines))


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def text(value: Any) -> str:
    """Format a setting or a fact as a reader sees it."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
