"""Files of benchmarks read into one form: those of ``make benchmark``, and those of the kernels' script for GPUs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zigbench.report.benchmark_files import FAULTS, Stored, Timed, parse

OURS = "ours"


@dataclass(frozen=True)
class Timing:
    """One implementation of one operation on one shape.

    Args:
        op: ``scan`` or ``convolution``.
        implementation: whose; this package's own is :data:`OURS`.
        mode: ``inference`` or ``forward and backward``.
        batch, channels, length: of the input.
        dtype: of the input.
        order: in which the tokens are visited, ``natural`` or ``random``.
        seconds: one call takes.
        share: of the time that the roofline asks for; NaN where it was not told.
        extra: bytes allocated beside the inputs, over the bytes of the input u; NaN where they were not told.
        launched: whether the time holds the launches from Python too, where others on the GPU hold none.
        kept: whether calls found the memory of those before them again, instead of asking the system for new pages.
    """

    op: str
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
    launched: bool = False
    kept: bool = False

    @property
    def how(self) -> str:
        """Its mode, and what sets its time apart from others of that mode."""
        return self.mode + ", with its launches" * self.launched + ", memory kept" * self.kept

    @property
    def task(self) -> tuple[Any, ...]:
        """What implementations share that may be compared."""
        return self.op, self.how, self.batch, self.channels, self.length, self.dtype, self.order


@dataclass(frozen=True)
class Part:
    """A benchmark as it was named, with its median and quartiles in seconds, and what it told beside."""

    name: str
    median: float
    low: float
    high: float
    rounds: int
    told: Mapping[str, float]


@dataclass(frozen=True)
class Benchmarks:
    """One file: the machine and the day, the kernels' timings, and every part that was timed."""

    name: str
    machine: str
    day: str
    commit: str
    timings: tuple[Timing, ...]
    parts: tuple[Part, ...]
    note: str = ""


def read(path: Path) -> Benchmarks:
    """Read a file of either kind.

    Raises:
        ValueError: it is neither.
        OSError: it can't be read.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return _pytest(parse(path, body)) if "benchmarks" in body else _gpu(path.stem, body)
    except FAULTS as error:
        raise ValueError(f"{path} is no file of benchmarks ({type(error).__name__}: {error})") from None


def _pytest(stored: Stored) -> Benchmarks:
    timings = [timing for timed in stored.timed for timing in _timings(timed)]
    parts = [
        Part(
            timed.test.removeprefix("test_").replace("_", " "),
            timed.median,
            timed.low,
            timed.high,
            timed.rounds,
            dict(_numbers(timed.told)),
        )
        for timed in stored.timed
    ]
    machine = stored.machine + (f", {stored.cores} cores" if stored.cores else "")
    commit = (stored.commit or "")[:10] + (" and changes" if stored.commit and stored.dirty else "")
    return Benchmarks(stored.path.stem, machine, stored.day, commit, tuple(timings), tuple(parts))


def _timings(timed: Timed) -> Iterator[Timing]:
    told = timed.told
    op = "convolution" if "conv" in timed.test else "scan"
    if "seconds" in told and "shape" in told:
        batch, channels, length = told["shape"]
        each = [(*timed, False) for timed in told["seconds"].items()]
        each += [(*timed, True) for timed in told.get("seconds, memory kept", {}).items()]
        for whose, seconds, kept in each:
            order = "natural" if "natural" in whose else "random"
            own = OURS if whose.startswith(OURS) else whose
            share = told.get("share of arithmetic roof", math.nan) if whose == OURS and not kept else math.nan
            yield Timing(op, own, told["mode"], batch, channels, length, "float32", order, seconds, share, kept=kept)
    elif "ns per token" in told:
        length, dtype = told["L"], told["dtype"].removeprefix("torch.")
        share = told.get("share of arithmetic roof", math.nan)
        for mode, key in (("inference", ""), ("forward and backward", ", forward and backward")):
            seconds = told[f"ns per token{key}"] * length * 1e-9
            here = share if mode == "inference" else math.nan
            yield Timing(op, OURS, mode, 1, 384, length, dtype, "random", seconds, here)


def _gpu(name: str, body: Mapping[str, Any]) -> Benchmarks:
    around = body["environment"]
    timings = []
    for row in body["rows"]:
        size = {"torch.float32": 4}.get(row["dtype"], 2)
        u = row["batch"] * row["length"] * row["channels"] * size
        timings.append(
            Timing(
                "scan",
                OURS if row["implementation"] == "triton" else row["implementation"],
                "inference" if row["pass"] == "forward" else "forward and backward",
                row["batch"],
                row["channels"],
                row["length"],
                row["dtype"].removeprefix("torch."),
                "natural" if row["order"] == "identity" else "random",
                row["median"],
                row["share"],
                row["extra_bytes"] / u if row["extra_bytes"] else math.nan,
                launched=row["clock"] == "host",
            )
        )
    passed = sum(entry["passed"] for entry in body["gate"])
    versions = ", ".join(f"{key} {around[key]}" for key in ("torch", "triton", "mamba_ssm") if key in around)
    note = f"{passed} of {len(body['gate'])} checks against float64 passed before anything was timed. {versions}."
    return Benchmarks(name, around["device"], str(body.get("day", "")), "", tuple(timings), (), note)


def _numbers(told: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Figures of an entry's own words, nested ones by their joined names."""
    for key, value in told.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{key}: ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{key}".replace("_", " "), float(value)
