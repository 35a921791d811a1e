"""Benchmarks: pytest-benchmark's JSON files as one page, and as rows beside the records.

``make benchmark`` and the kernels' script for GPUs write such files. A test of kernels states in its ``extra_info``
the shape (batch, channels, length), the mode and the seconds of each implementation; every other test is shown by its
median. ``pytest-benchmark compare`` compares files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zigbench import html
from zigbench.records.collect import COLUMNS, FLOATS
from zigbench.report import formatting, table
from zigbench.report.figures import FigureRequest, Picture, draw_all, request
from zigbench.report.figures.trends import ratios
from zigbench.report.index import Summary, write_page
from zigbench.report.speed.drawing import Panels, panels
from zigbench.report.speed.series import Rounds, SpeedPoint
from zigbench.report.table import Column, Entry, Table, number_entry

OURS = "ours"
QUESTION = "How fast are the kernels and the other parts, compared with their peers and with the limits of the machine?"
NO_ANSWER = "There is no answer yet: no file of `make benchmark` with peers is stored here."


@dataclass(frozen=True)
class Timing:
    """One implementation of one operation on one shape.

    Args:
        operation: ``scan`` or ``convolution``.
        implementation: its name; this package's own is :data:`OURS`.
        mode: ``inference`` or ``forward and backward``, with a remark where its time is not like others of that mode.
        batch, channels, length: of the input.
        dtype: of the input.
        order: the order in which the tokens are visited, ``natural`` or ``random``.
        seconds: the time of one call.
        share: the roofline's time over the measured time; NaN where it was not measured.
        extra: bytes allocated beside the inputs, over the bytes of the input u; NaN where they were not measured.
        memory_reused: True where calls reused the memory of earlier calls, instead of requesting new pages.
    """

    operation: str
    implementation: str
    mode: str
    batch: int
    channels: int
    length: int
    dtype: str
    order: str
    seconds: float
    share: float = math.nan
    extra: float = math.nan
    memory_reused: bool = False

    @property
    def task(self) -> tuple[Any, ...]:
        """The facts that implementations share that may be compared."""
        return self.operation, self.mode, self.batch, self.channels, self.length, self.dtype, self.order


@dataclass(frozen=True)
class BenchmarkFile:
    """A file of benchmarks: the machine and the day, the kernels' timings, and every test as the file holds it."""

    name: str
    cpu: str
    cores: int | None
    python: str
    day: str
    commit: str
    note: str
    timings: tuple[Timing, ...]
    tests: tuple[Mapping[str, Any], ...]

    @property
    def machine(self) -> str:
        return self.cpu + (f", {self.cores} cores" if self.cores else "")

    @property
    def slug(self) -> str:
        return formatting.slug(self.name)

    @property
    def seconds_of_ours(self) -> dict[tuple[Any, ...], float]:
        return {timing.task: timing.seconds for timing in self.timings if timing.implementation == OURS}


def read(path: Path) -> BenchmarkFile:
    """Read a file that pytest-benchmark wrote.

    Raises:
        ValueError: the file is not of that form; the message names it.
        OSError: it can't be read.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        machine, commit = body["machine_info"], body.get("commit_info") or {}
        cpu = machine.get("cpu", {})
        changes = " and changes" if commit.get("id") and commit.get("dirty") else ""
        return BenchmarkFile(
            name=path.stem,
            cpu=cpu.get("brand_raw") or machine["machine"],
            cores=cpu.get("count"),
            python=machine["python_version"],
            day=body["datetime"][:10],
            commit=(commit.get("id") or "")[:10] + changes,
            note=body.get("note", ""),
            timings=tuple(timing for test in body["benchmarks"] for timing in _timings(test)),
            tests=tuple(test for test in body["benchmarks"] if test["fullname"] and test["stats"]["median"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is no file of pytest-benchmark ({type(error).__name__}: {error})") from None


def _timings(test: Mapping[str, Any]) -> Iterator[Timing]:
    info = test["extra_info"]
    operation = "convolution" if "conv" in test["fullname"].partition("::")[2] else "scan"
    share = info.get("share of arithmetic roof", math.nan)
    dtype = info.get("dtype", "float32").removeprefix("torch.")
    if "seconds" in info and "shape" in info:
        for key, remark in (("seconds", ""), ("seconds, memory kept", ", memory reused")):
            for name, seconds in info.get(key, {}).items():
                implementation, _, order = name.partition(", ")
                shown = name == OURS or "extra" in info
                batch, channels, length = info["shape"]
                yield Timing(
                    operation, implementation, info["mode"] + remark, batch, channels, length, dtype,
                    "natural" if "natural" in order else "random", seconds, share if shown and not remark else math.nan,
                    math.nan if info.get("extra") is None else info["extra"], bool(remark),
                )  # fmt: skip
    elif "ns per token" in info:
        for mode, suffix in (("inference", ""), ("forward and backward", ", forward and backward")):
            seconds = info[f"ns per token{suffix}"] * info["L"] * 1e-9
            of_roof = math.nan if suffix else share
            yield Timing(operation, OURS, mode, 1, 384, info["L"], dtype, "random", seconds, of_roof)


def frame(folder: Path) -> pd.DataFrame:
    """Return the tests of every ``.json`` file of pytest-benchmark in ``folder``, with the columns of the records.

    A row is one test: ``run`` names the file and the test, ``metric`` is ``latency``, ``value`` the median.
    """
    rows = []
    for path in sorted(folder.glob("*.json")):
        try:
            file = read(path)
        except ValueError:
            continue  # Another program's file.
        for test in file.tests:
            stats = test["stats"]
            samples = tuple(stats.get("data", ()))
            low, high = np.quantile(samples, (0.05, 0.95)) if samples else (stats["q1"], stats["q3"])
            rows.append(
                {
                    **dict.fromkeys(COLUMNS),
                    "run": f"{path.stem}:{test['fullname']}", "status": "ok", "metric": "latency",
                    "value": stats["median"], "unit": "s", "higher_is_better": False, "low": low, "high": high,
                    "samples": samples, "protocol": None, "note": "", "folder": str(path), "task": "benchmark",
                    "environment.machine.cpu": file.cpu, "environment.python": file.python,
                    "environment.code.commit": file.commit.partition(" ")[0] or None,
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=None if rows else list(COLUMNS)).astype(FLOATS)


# The page.


@dataclass(frozen=True)
class MachinePart:
    """The part of the page about one file."""

    file: BenchmarkFile
    figures: tuple[Picture, ...]
    tables: tuple[Table, ...]


def write_benchmarks(folder: Path, out: Path, *, command: str) -> Path:
    """Write the page of all files of benchmarks in ``folder`` into ``out``, and return its ``index.html``.

    A file that is not of pytest-benchmark's form is named on the page.

    Args:
        folder: holds the ``.json`` files; one that does not exist holds none.
        out: the report's folder.
        command: the command line that makes the page again.

    Raises:
        OSError: ``out`` can't be written.
    """
    for path in (out / "figures", out / "tables"):
        path.mkdir(parents=True, exist_ok=True)
    files: list[BenchmarkFile] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*.json")):
        try:
            files.append(read(path))
        except (OSError, ValueError) as error:
            problems.append(f"Not used: {error}.")
    requests = {file.name: _figures(file) for file in files}
    pictures = draw_all({name: r for of_file in requests.values() for name, r in of_file.items()}, out / "figures")
    machines = []
    for file in files:
        tables = tuple(t for t in (_kernel_table(file), _test_table(file)) if t.rows)
        for of_file in tables:
            table.write(of_file, out / "tables")
        machines.append(MachinePart(file, tuple(pictures[name] for name in requests[file.name]), tables))
    answer = [sentence for file in files if (sentence := _answer(file))] or [NO_ANSWER]
    text = html.render(
        "zigbench.report", "benchmarks.html.j2", title="Benchmarks", question=QUESTION, answer=answer,
        machines=machines, problems=problems, command=command, index=(out.parent / "index.html").exists(),
    )  # fmt: skip
    summary = Summary(
        suite="benchmarks",
        question=QUESTION,
        answer=answer,
        completeness=formatting.count(len(files), "machine"),
        hardware=", ".join(dict.fromkeys(file.machine for file in files)),
        recorded=max((file.day for file in files), default=""),
        command=command,
    )
    return write_page(out, text, summary)


def _answer(file: BenchmarkFile) -> str:
    """Return the range of the ratios to each peer, in a sentence or two; "" where there is no peer."""
    answer = ""
    if parts := _peer_ranges(file, memory_reused=False):
        answer = f"On {file.machine}, {formatting.join(parts)} as the kernels of this package."
    if parts := _peer_ranges(file, memory_reused=True):
        answer += (
            " Where all calls reuse the memory of earlier calls, so that the system clears no new pages, "
            f"{formatting.join(parts)}."
        )
    return answer


def _peer_ranges(file: BenchmarkFile, *, memory_reused: bool) -> list[str]:
    by_peer: dict[str, list[float]] = {}
    for row in _ratios(file, memory_reused).values():
        for peer, ratio in row.items():
            by_peer.setdefault(peer, []).append(ratio)
    ends = {peer: dict.fromkeys(formatting.number(r, 3) for r in (min(of), max(of))) for peer, of in by_peer.items()}
    return [f"{peer} takes {' to '.join(of_peer)} times as long" for peer, of_peer in ends.items()]


def _ratios(file: BenchmarkFile, *memory_reused: bool) -> dict[str, dict[str, float]]:
    """Return peers' times over ours by task, with memory reused or not, or both."""
    ours = file.seconds_of_ours
    several_orders = len({t.order for t in file.timings if t.implementation != OURS}) > 1
    rows: dict[str, dict[str, float]] = {}
    for t in file.timings:
        if t.implementation != OURS and t.task in ours and (not memory_reused or t.memory_reused in memory_reused):
            task = f"{t.operation}, {t.batch}×{t.length}×{t.channels}, {t.mode}"
            task += f", {t.order} order" if several_orders else ""
            rows.setdefault(task, {})[t.implementation] = t.seconds / ours[t.task]
    return rows


def _figures(file: BenchmarkFile) -> dict[str, FigureRequest]:
    wanted = (
        ("length", "time", "ms", [1e3 * t.seconds for t in file.timings], True, f"The scan on {file.machine}."),
        ("roofline", "share_of_the_roofline", "%", [100 * t.share for t in file.timings], False,
         f"The scan's share of the roofline of {file.machine}, measured beside it."),
        ("memory", "extra_memory", "× u", [t.extra for t in file.timings], False,
         f"Bytes allocated in a call over those of its input u, on {file.machine}."),
    )  # fmt: skip
    requests = {}
    for kind, metric, unit, values, exponents, caption in wanted:
        name = f"{file.slug}-{kind}"
        if by_mode := _over_length(file, values):
            requests[name] = request(
                panels, by_mode, "Sequence length", metric, name, unit, exponents=exponents, caption=caption
            )
    if rows := _ratios(file):
        name = f"{file.slug}-peers"
        caption = "Shapes: batch × length × channels. Results were compared before anything was timed."
        requests[name] = request(ratios, rows, name, caption=f"{caption} {file.machine}.")
    return requests


def _over_length(file: BenchmarkFile, values: list[float]) -> Panels:
    """Return points by mode and label, of lines over at least two lengths; unlike types, batches, orders stay apart."""
    lines: dict[tuple[str, tuple[str, ...]], list[SpeedPoint]] = {}
    for t, value in zip(file.timings, values, strict=True):
        if t.operation == "scan" and not t.memory_reused and math.isfinite(value):
            channels = f"{formatting.number(t.channels)} channels"
            facts: tuple[str, ...] = (t.implementation, t.dtype, f"{t.order} order", f"batch {t.batch}", channels)
            lines.setdefault((t.mode, facts), []).append(SpeedPoint(float(t.length), Rounds((value,))))
    lines = {key: points for key, points in lines.items() if len({point.x for point in points}) > 1}
    # A fact that all lines share need not stand beside each.
    differing = [
        i for i, facts in enumerate(zip(*(of for _, of in lines), strict=True)) if not i or len(set(facts)) > 1
    ]
    by_mode: dict[str, dict[str, list[SpeedPoint]]] = {}
    for (mode, facts), points in sorted(lines.items(), key=lambda line: line[0][0] != "inference"):
        label = ", ".join(facts[i] for i in differing)
        by_mode.setdefault(mode.capitalize(), {})[label] = sorted(points, key=lambda point: point.x)
    return by_mode


def _kernel_table(file: BenchmarkFile) -> Table:
    ours = file.seconds_of_ours
    columns = (
        Column("Operation"), Column("Implementation"), Column("Mode"), Column("Batch", True), Column("Length", True),
        Column("Channels", True), Column("Type"), Column("Order"), Column("Time (ms)", True),
        Column("Over ours", True), Column("Of the roofline", True), Column("Extra memory (× u)", True),
    )  # fmt: skip
    rows = tuple(
        (
            Entry(t.operation), Entry(t.implementation), Entry(t.mode), number_entry(t.batch), number_entry(t.length),
            number_entry(t.channels), Entry(t.dtype), Entry(t.order), number_entry(1e3 * t.seconds),
            number_entry(t.seconds / ours[t.task] if t.task in ours and t.implementation != OURS else math.nan, 3),
            number_entry(100 * t.share, 3, " %"), number_entry(t.extra, 3),
        )
        for t in file.timings
    )  # fmt: skip
    return Table(f"kernels-{file.slug}", "Kernels", columns, rows)


def _test_table(file: BenchmarkFile) -> Table:
    columns = (
        Column("Part"), Column("Median (ms)", True), Column("Quartiles (ms)"), Column("Rounds", True),
        Column("Other figures"),
    )  # fmt: skip
    rows = []
    for test in file.tests:
        stats = test["stats"]
        low, high = (formatting.number(1e3 * stats[quartile]) for quartile in ("q1", "q3"))
        others = "; ".join(f"{name} {formatting.number(v, 3)}" for name, v in _numbers(test["extra_info"]))
        name = test["fullname"].partition("::")[2].removeprefix("test_").replace("_", " ")
        rows.append((
            Entry(name), number_entry(1e3 * stats["median"]), Entry(f"{low} to {high}"), number_entry(stats["rounds"]),
            Entry(others),
        ))  # fmt: skip
    return Table(f"parts-{file.slug}", "Every part that is timed", columns, tuple(rows))


def _numbers(info: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers in a test's ``extra_info``, nested ones by their joined names."""
    for key, value in info.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{key}: ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{key}".replace("_", " "), float(value)
