"""The command that lays two runs, two arms of a suite or two files of benchmarks side by side."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zigbench.cli.options import RUNS, Profile, Results, Set, app, out
from zigbench.cli.planning import make_plan
from zigbench.cli.render import plain_table
from zigbench.records.folder import RunFiles, RunFolder
from zigbench.records.record import Record
from zigbench.records.sources import Sources
from zigbench.spec.overrides import flatten
from zigbench.suite import Cell

if TYPE_CHECKING:
    from zigbench.report.results import Results as Joined

NONE = "–"
"""Text where one side has nothing."""


@app.command()
def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="[SUITE] A B",
            help="Two runs' ids or folders; or a suite and two of its arms; or two files of `make benchmark`.",
        ),
    ],
    profile: Profile = None,
    set_: Set = None,
    results: Results = RUNS,
) -> None:
    """Compare two runs, or two arms of a suite: differing keys, figures side by side, protocols.

    A difference is shown only where both figures were measured under the same protocol. Of arms it is that of paired
    seeds, with its 95 % interval and its verdict.
    """
    if len(names) == 3:
        _compare_arms(*names, profile=profile, set_=set_, results=results)
    elif len(names) != 2:
        raise ValueError(f"compare takes two runs, or a suite and two of its arms; these are {len(names)} words")
    elif profile or set_:
        raise ValueError("--profile and --set choose the runs of a suite: name it before its two arms")
    elif all(name.endswith(".json") for name in names):
        _compare_benchmarks(*map(Path, names))
    else:
        _compare_runs(names, results)


def _compare_runs(names: Sequence[str], results: Sequence[Path]) -> None:
    """Print the differing keys of two runs' specs, and their figures metric by metric."""
    from zigbench.evaluation import compare as compared_protocols
    from zigbench.report import formatting  # pandas
    from zigbench.report.family import final_values

    sources = Sources.of(results)
    runs = [RunFolder(Path(name)) if Path(name).is_dir() else sources.find(name) for name in names]
    a, b = (_record(run) for run in runs)
    _print_keys(a.spec, b.spec, *names)
    left, right = final_values(a), final_values(b)
    protocols = compared_protocols(*runs)
    rows = []
    for metric in dict.fromkeys((*left, *right)):
        shown = [formatting.number(of[metric]) if metric in of else NONE for of in (left, right)]
        both, reasons = metric in left and metric in right, protocols.get(metric)
        shift = formatting.signed(right[metric] - left[metric]) if both and not reasons else NONE
        words = "" if reasons is None else "the same" if not reasons else "; ".join(reasons)
        rows.append((metric, *shown, shift, words))
    out.print(plain_table(("metric", *names, "second − first", "protocol"), rows))


def _record(run: RunFiles) -> Record:
    content = run.read("record.json")
    if content is None:
        raise ValueError(f"{run.path} holds no finished run")
    return Record.from_json(content.decode(), str(run.path))


def _print_keys(a: Mapping[str, Any], b: Mapping[str, Any], *names: str) -> None:
    """Print the keys in which two specs differ, with both values."""
    left, right = flatten(a), flatten(b)
    rows = [
        (key, *(json.dumps(of[key], ensure_ascii=False) if key in of else NONE for of in (left, right)))
        for key in dict.fromkeys((*left, *right))
        if (key in left, left.get(key)) != (key in right, right.get(key))
    ]
    out.print(plain_table(("key", *names), rows) if rows else "The specs are equal.")
    out.print()


def _compare_arms(
    suite: str, a: str, b: str, *, profile: str | None, set_: Sequence[str] | None, results: Sequence[Path]
) -> None:
    """Print the differing keys of two arms, and their paired difference in each metric."""
    from zigbench.report.results import join  # pandas

    chosen, planned = make_plan(suite, profile, None, set_, None, results)
    cells = [item.cell for item in planned.items]
    joined = join(chosen, cells, list(results))
    arms = list(dict.fromkeys((*joined.labels, *(v for of in joined.labels.values() for v in of.values()))))
    known = {name for cell in cells for name in _names_of(cell, joined)}
    for name in (a, b):
        if name not in known:
            raise ValueError(f"{chosen.name} has no arm {name!r}; there are {', '.join(arms)}")
    first, second = (next(cell.spec for cell in cells if name in _names_of(cell, joined)) for name in (a, b))
    _print_keys(first.resolved(), second.resolved(), a, b)
    rows = [row for data, part in joined.parts.items() for row in _arm_rows(part, data, a, b)]
    if not rows:
        raise ValueError(f"no {'seed' if joined.seeds else 'run'} has finished in both {a} and {b}")
    columns = ("metric", "where", a, b, "first − second", "95 % interval", "p, corrected", "pairs", "verdict")
    out.print(plain_table(columns, rows))


def _names_of(cell: Cell, joined: Joined) -> Iterable[str]:
    from zigbench.report.family import bare_name
    from zigbench.report.results import arm_of

    return (arm_of(cell), bare_name(cell.labels), *cell.labels.values())


def _arm_rows(part: Joined, data: str, a: str, b: str) -> Iterable[tuple[str, ...]]:
    """Yield a row for each metric and each point of the further axes at which both arms have finished."""
    from zigbench.report import formatting, protocols
    from zigbench.report.family import contrast_pairs
    from zigbench.report.statistics import effects, mean_interval

    pairs = contrast_pairs(a, b, part.labels, part.first_axis)
    for metric in part.metrics:
        values = part.values(metric)
        tested = effects(values, [(arm, other) for _, arm, other in pairs], part.family.known(metric))
        for (labels, arm, other), effect in zip(pairs, tested, strict=True):
            estimate = effect.estimate
            if not estimate.n:
                continue
            where = ", ".join([*([data] if data else []), *(formatting.point(*label) for label in labels.items())])
            means = [formatting.plus_minus(mean_interval(values.loc[name])) for name in (arm, other)]
            if protocols.measured_alike(part, metric, arm, other):
                places = formatting.decimals(estimate.half) if estimate.half > 0 else None
                shown = (formatting.signed(estimate.mean, places), formatting.interval(estimate),
                         formatting.p_value(effect.p_holm), str(estimate.n),
                         formatting.verdict(effect, part.direction(metric)))  # fmt: skip
            else:
                shown = (NONE, NONE, NONE, str(estimate.n), "different protocols")
            yield (formatting.title(metric), where or NONE, *means, *shown)


def _compare_benchmarks(a: Path, b: Path) -> None:
    """Print pytest-benchmark's own comparison of two of its files."""
    for path in (a, b):
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
    if find_spec("pytest_benchmark") is None:
        raise ValueError("comparing files of benchmarks needs pytest-benchmark: install zigbench[bench]")
    # Absolute paths: it accepts no mixture. -P: the working directory must not be imported from.
    files = [str(path.resolve()) for path in (a, b)]
    words = [sys.executable, "-P", "-m", "pytest_benchmark", "compare", *files, "--between=median"]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", errors="surrogateescape")
    if done.returncode != 0:
        raise ValueError(f"pytest-benchmark cannot compare {a} and {b}: {done.stderr.strip().splitlines()[-1]}")
    out.print(done.stdout, markup=False, highlight=False)
