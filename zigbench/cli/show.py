"""The command that shows what a run or a suite is: its resolved spec, its size, its cost and its hours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from zigbench.cli import completion
from zigbench.cli.options import RUNS, Arm, Only, Profile, Results, Set, app, out
from zigbench.cli.planning import make_plan
from zigbench.cli.render import classes_table, duration, plain_table
from zigbench.launch import Plan, describe
from zigbench.records.folder import RunFiles, RunFolder
from zigbench.records.sources import Sources
from zigbench.spec import RunSpec, registry
from zigbench.spec.overrides import flatten

NONE = "–"
"""Text of what a family does not declare."""

PASSES = 3
"""Forward passes whose operations one step of training has: the backward pass takes twice those of the forward."""


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="RUN|SUITE",
            help="A run's id or its beginning, or a suite.",
            autocompletion=completion.runs_and_suites,
        ),
    ],
    profile: Profile = None,
    arm: Arm = None,
    only: Only = None,
    set_: Set = None,
    results: Results = RUNS,
) -> None:
    """Show a run's or a suite's resolved spec, with the networks' sizes, their cost and the hours."""
    if (run := _run(name, results)) is not None:
        _show_run(run)
        return
    suite, planned = make_plan(name, profile, only, set_, None, results, arm)
    out.print(f"[bold]{suite.name}[/] asks: {suite.question}\n")
    specs = [item.cell.spec for item in planned.items]
    out.print(plain_table(("key", "value"), _shared(specs)))
    out.print()
    out.print(plain_table(("arm", "parameters", "forward pass", "training", "differs in"), _arms(planned)))
    hours = sum(item.cell.resources.hours for item in planned.items)
    out.print(f"\n{describe(planned.items)}; at most {duration(3600 * hours)} of runs.", markup=False)
    if planned.todo:
        out.print(classes_table(planned))


def _run(name: str, results: Sequence[Path]) -> RunFiles | None:
    """Return the run whose id begins with a name; None where the name is no beginning of an id."""
    if not name or not set(name) <= set("0123456789abcdef") or registry.suites.holds(name):
        return None
    return Sources.of(results).find(name)


def _show_run(run: RunFiles) -> None:
    content = run.read("spec.json")
    if content is None:
        raise ValueError(f"{run.path} has no readable spec.json")
    spec = RunSpec.parse(json.loads(content))
    state = run.shown(run.state()) if isinstance(run, RunFolder) else "recorded in a pack"
    rows = [("run", run.id), ("place", str(run.path)), ("state", state)]
    if (day := run.recorded()) is not None:
        rows.append(("recorded", day.isoformat()))
    parameters, forward, training = _size(spec)
    rows += [("parameters", parameters), ("forward pass", forward), ("training", training)]
    lines = (run.read("telemetry.jsonl") or b"").splitlines()
    if lines and (spent := json.loads(lines[-1]).get("seconds")):
        rows.append(("trained for", duration(spent)))
    out.print(plain_table(("", ""), rows))
    out.print()
    out.print(plain_table(("key", "value"), [(key, _text(value)) for key, value in flatten(spec.resolved()).items()]))


def _size(spec: RunSpec) -> tuple[str, str, str]:
    """Return the number of parameters, the operations of a forward pass of one image, and those of the training."""
    parameters, cost = spec.parameters(spec.geometry), spec.cost(spec.geometry)
    size = NONE if parameters is None else f"{parameters:,}"
    if cost is None:
        return size, NONE, NONE
    images = spec.training.steps * spec.training.batch if spec.task == "train" else 0
    training = f"{_flops(PASSES * cost.flops * images)}, {images:,} images" if images else NONE
    return size, _flops(cost.flops), training


def _flops(operations: int) -> str:
    for unit, size in (("PFLOP", 1e15), ("TFLOP", 1e12), ("GFLOP", 1e9)):
        if operations >= size:
            return f"{operations / size:.3g} {unit}"
    return f"{operations / 1e6:.3g} MFLOP"


def _shared(specs: Sequence[RunSpec]) -> list[tuple[str, str]]:
    """Return the keys that all runs share, with their values."""
    flats = [flatten(spec.resolved()) for spec in specs]
    first = flats[0]
    return [(key, _text(v)) for key, v in first.items() if all(key in f and f[key] == v for f in flats)]


def _arms(planned: Plan) -> list[tuple[str, ...]]:
    """Return a row for each arm: its size, its cost, and the keys in which it differs from other runs."""
    shared = {key for key, _ in _shared([item.cell.spec for item in planned.items])}
    rows: dict[str, tuple[str, ...]] = {}
    for item in planned.items:
        labels = [label for axis, label in item.cell.labels.items() if axis != "seed"]
        own = {k: v for k, v in flatten(item.cell.spec.resolved()).items() if k not in shared and k != "seed"}
        differing = ", ".join(f"{key}={_text(value)}" for key, value in own.items())
        rows.setdefault(" · ".join(labels) or "all", (*_size(item.cell.spec), differing))
    return [(arm, *row) for arm, row in rows.items()]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
