"""Commands about weights: import, evaluate, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from zigbench.cli import completion
from zigbench.cli.options import RUNS, Results, Set, app, out, writable
from zigbench.cli.render import show_run
from zigbench.launch import launch_local, plan
from zigbench.records.folder import RunFolder, find
from zigbench.records.plugins import remember
from zigbench.records.record import Record
from zigbench.spec import Resources, RunSpec
from zigbench.spec.overrides import nest, parse_assignment
from zigbench.suite import Cell

Run = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of one.", autocompletion=completion.runs)
]
Release = Annotated[
    str,
    typer.Option(metavar="NAME", help="The file's release: `zigma`, `dit`, `sit`, `u-vit`, `dis`, `vim`."),
]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .pt, .pth or .safetensors file.")],
    release: Release,
    data: Annotated[str, typer.Option(metavar="NAME", help="The data set it was trained on.")],
    patch: Annotated[int, typer.Option(min=1, help="Side of its patches.")],
    set_: Set = None,
    results: Results = RUNS,
) -> None:
    """Import a released checkpoint as a run that can be evaluated like one trained here.

    `--set` sets what the file does not contain (`backbone.config.size=XL`, `scan.curve=hilbert-released`,
    `data.config.resolution=512`) and how it is evaluated (`evaluation.samples=5000`).
    """
    from zigbench.runs.weights import import_release  # torch

    root = writable(results)
    settings = nest(dict(map(parse_assignment, set_ or ())))
    config = settings.get("backbone", {}).pop("config", {})
    # The orders and the positions belong to the weights, so they are needed to build the network.
    config |= settings.pop("scan", {})
    if "position" in settings:
        config["position"] = settings.pop("position")
    source = {"name": data, "config": settings.pop("data", {}).get("config", {})}
    spec, released = import_release(file, release, source, patch, config, root.parent)
    spec = spec.override({f"{part}.{key}": v for part, tree in settings.items() for key, v in tree.items()})
    folder = RunFolder.of(spec, root)
    remember(root)
    folder.submit(spec)
    if released.missing:
        out.print(
            f"{len(released.missing)} of the network's parameters are not in the release and stay as initialised: "
            f"{', '.join(released.missing)}"
        )
    out.print(f"imported as run [bold]{folder.id}[/]; `zigbench evaluate {folder.id}` measures it")


@app.command()
def evaluate(
    run: Run,
    step: Annotated[
        str | None,
        typer.Option(metavar="N|all", help="Measure the weights of this kept checkpoint, or those of all of them."),
    ] = None,
    set_: Set = None,
    results: Results = RUNS,
) -> None:
    """Measure the weights of a trained or imported run, with the settings of `--set`.

    A run without metrics of its own is measured by all that its data allow without a download. With `--step` its kept
    checkpoints are measured, each as a run of its own and without training again. `--set ema_std=0.08` measures the
    average of this relative width, recombined from the snapshots that `training.ema_widths` keeps.
    """
    from zigbench.runs.weights import (
        evaluation_of,
        refuse_missing,
        steps_with_checkpoint,
        with_default_metrics,
    )  # torch

    root = writable(results)
    settings = dict(map(parse_assignment, set_ or ()))
    folder = find(root, run)
    width = settings.pop("ema_std", None)
    if width is not None and step is not None:
        raise ValueError("ema_std recombines the average of a finished training: leave out --step")
    steps = [None if step is None else _step(step)] if step != "all" else list(steps_with_checkpoint(folder))
    if not steps:
        raise ValueError(f"run {folder.id} has no checkpoints; training.keep_every keeps some")
    specs = {at: evaluation_of(folder, root.parent, at, width).override(settings) for at in steps}
    first = specs[steps[0]]  # All have equal settings.
    if not first.evaluation.metrics:
        if "evaluation.metrics" in settings:
            raise ValueError("evaluation.metrics is empty, so there is nothing to measure: name some, or leave it out")
        complete, reason = with_default_metrics(first, root.parent / "cache")
        names, preview = complete.evaluation.metrics, complete.evaluation.preview
        chosen = {"evaluation.metrics": list(names), "evaluation.preview": preview}
        specs = {at: spec.override(chosen) for at, spec in specs.items()}
        out.print(f"metrics: {', '.join(names)}", markup=False)
        if reason:
            out.print(f"no metric of samples: {reason}", markup=False)
    else:
        refuse_missing(first, root.parent / "cache")
    cells = {
        spec.id: Cell({"run": run} if at is None else {"run": run, "step": str(at)}, spec) for at, spec in specs.items()
    }
    planned = plan(list(cells.values()), root)
    show_run(planned, launch_local(planned, Resources(), root), out)
    statuses = [_show_record(root, spec, at) for at, spec in specs.items()]
    if any(status != "ok" for status in statuses):
        raise typer.Exit(1)


def _step(text: str) -> int:
    if not text.isdigit():
        raise ValueError(f"--step {text} is neither a step of the training nor `all`")
    return int(text)


def _show_record(root: Path, spec: RunSpec, step: int | None) -> str:
    """Print the figures of an evaluation, and return its status."""
    record = Record.read(RunFolder.of(spec, root).record)
    if step is not None:
        out.print(f"step {step}", style="bold")
    for measurement in record.measurements:
        value = f"none; {measurement.note}" if measurement.value is None else f"{measurement.value:.6g}"
        out.print(f"{measurement.name:28}{value} {measurement.unit}".rstrip(), markup=False)
    reason = f": {record.error.message}" if record.error else ""
    out.print(f"recorded as run [bold]{record.id}[/]: {record.status}{escape(reason)}")
    return record.status


@app.command()
def export(
    run: Run,
    place: Annotated[Path, typer.Argument(metavar="PLACE", help="The .safetensors file, or the folder, to write.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            "--release",
            metavar="NAME",
            help="`plain` or `diffusers`, which are folders; or the names of a release, in a file: `zigma`, `dit`, "
            "`sit`, `u-vit`, `dis`, `vim`.",
        ),
    ],
    results: Results = RUNS,
) -> None:
    """Write a run's averaged weights for use elsewhere.

    `plain` is a file of weights and the config that builds their network again; `diffusers` is a DiT that this package
    loads with its scheduler; a release's name writes the weights under the names that it published.
    """
    from zigbench.runs.weights import export_run  # torch

    root = writable(results)
    export_run(find(root, run), to, place, root.parent)
    out.print(f"written to {place}")
