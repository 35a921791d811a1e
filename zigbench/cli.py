"""The command ``zigbench``: argument parsing only; every command calls one function of a room below."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from zigbench import registry
from zigbench.registry import load_plugin
from zigbench.settings import SpecError

if TYPE_CHECKING:
    from zigbench.launch import Plan
    from zigbench.suite import Cell, Suite

app = typer.Typer(
    name="zigbench",
    help="Benchmark and ablation suite for scan orders in state-space diffusion backbones.\n\n"
    "A suite asks one question. `zigbench run SUITE` trains and measures what it still lacks on this machine and "
    "writes a page that answers it; done runs are never done again. Start with `zigbench run quickstart` "
    "(3 minutes on two CPU cores, no download).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Kind(StrEnum):
    """What `zigbench list` can list."""

    suites = "suites"
    backbones = "backbones"
    curves = "curves"
    data = "data"
    metrics = "metrics"


SuiteName = Annotated[
    str, typer.Argument(metavar="SUITE", help="A registered suite, or the path of a suite's .py file.")
]
Profile = Annotated[str | None, typer.Option(help="Other settings for the same question, such as `miniature`.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key in every run: `training.steps=50`."),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE", help="Only the runs that match an axis (`arm=dit`) or a key (`scan.curve=hilbert`)."
    ),
]
Retry = Annotated[
    list[str] | None,
    typer.Option(metavar="STATE", help="Run again what is `failed`, `oom`, `diverged`, `timeout` or `damaged`."),
]
Results = Annotated[Path, typer.Option(help="Folder of the runs.", envvar="ZIGBENCH_RESULTS")]
Reports = Annotated[Path, typer.Option(help="Folder of the reports.")]
RUNS = Path("results/runs")
REPORTS = Path("reports")


@app.callback()
def options(
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE.py|MODULE", help="Import this first: it registers curves, backbones, data or metrics."
        ),
    ] = None,
) -> None:
    for name in plugin or ():
        load_plugin(name)


@app.command("list")
def list_(kind: Annotated[Kind, typer.Argument(help="What to list.")] = Kind.suites) -> None:
    """List what is installed: suites, backbones, curves, data sets, metrics."""
    from zigbench.display import plain_table

    known: registry.Registry[Any] = getattr(registry, kind.value)
    rows = []
    for name in known.names():
        try:
            rows.append((name, _describe(kind, known.get(name))))
        except ValueError as error:  # A broken plug-in is shown as one; the others are not its business.
            rows.append((name, f"BROKEN: {error}"))
    out.print(plain_table((kind.value.removesuffix("s"), "what it is"), rows))


def _describe(kind: Kind, plugin: Any) -> str:
    if kind is Kind.suites:
        return str(plugin.question)
    lines = (getattr(plugin, "description", None) or plugin.__doc__ or "").strip().splitlines()
    return lines[0] if lines else ""


@app.command()
def plan(
    suite: SuiteName,
    profile: Profile = None,
    only: Only = None,
    set_: Set = None,
    retry: Retry = None,
    results: Results = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Show what a suite asks for and what of it is already recorded."""
    from zigbench.display import state_table
    from zigbench.launch import describe

    chosen, planned = _plan(suite, profile, only, set_, retry, results)
    if as_json:
        items = [{"run": i.folder.id, "state": i.state, "labels": dict(i.cell.labels)} for i in planned.items]
        sys.stdout.write(json.dumps({"suite": chosen.name, "runs": items, "todo": len(planned.todo)}, indent=1) + "\n")
        return
    out.print(f"[bold]{chosen.name}[/] asks: {chosen.question}\n")
    out.print(state_table(planned.items))
    out.print(f"\n{describe(planned.items)}; `zigbench run {suite}` would run {len(planned.todo)}.")


@app.command()
def run(
    suite: SuiteName,
    profile: Profile = None,
    only: Only = None,
    set_: Set = None,
    retry: Retry = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time; by default what cores and memory allow.")
    ] = None,
    results: Results = RUNS,
    reports: Reports = REPORTS,
) -> None:
    """Run what a suite still lacks on this machine, then write its report."""
    from zigbench.display import relative, show_run
    from zigbench.launch import describe, launch_local

    chosen, planned = _plan(suite, profile, only, set_, retry, results)
    out.print(f"[bold]{chosen.name}[/] asks: {chosen.question}")
    statuses: dict[str, str] = {}
    if planned.todo:
        out.print(f"{describe(planned.items)}; running {len(planned.todo)} on this machine.")
        statuses = show_run(planned, launch_local(planned, chosen.resources, results, workers=workers), out)
    else:
        out.print(f"{describe(planned.items)}; nothing left to do.")
    page = _write_report(chosen, [item.cell for item in planned.items], results, reports, only)
    out.print(f"report: [bold]{relative(page)}[/] (open it in a browser)")
    elsewhere = sum(item.state == "running" for item in planned.items) + list(statuses.values()).count("busy")
    if elsewhere:
        out.print(f"{elsewhere} runs are being worked on by another process; `zigbench status {suite}` follows them.")
    bad = [s for s in [*statuses.values(), *(i.state for i in planned.items if i not in planned.todo)] if s in BAD]
    if bad:
        states = sorted(set(bad) - {"error"}) or ["failed"]
        flags = " ".join(f"--retry {state}" for state in states)
        err.print(f"[red]{len(bad)} runs have no result[/]; see the report, and `zigbench run {suite} {flags}`.")
        raise typer.Exit(1)


BAD = ("failed", "oom", "diverged", "timeout", "damaged", "error")


@app.command()
def status(
    suite: Annotated[
        str | None, typer.Argument(metavar="[SUITE]", help="A suite; without one, all runs by state.")
    ] = None,
    profile: Profile = None,
    only: Only = None,
    set_: Set = None,
    results: Results = RUNS,
) -> None:
    """Show how far a suite's runs are, read from their files."""
    from zigbench.display import plain_table, state_table
    from zigbench.folder import RunFolder
    from zigbench.launch import describe

    if suite is None:
        states: dict[str, int] = {}
        for path in sorted(results.glob("*/spec.json")):
            state = RunFolder(path.parent).state()
            states[state] = states.get(state, 0) + 1
        out.print(plain_table(("state", "runs"), [(state, str(n)) for state, n in states.items()]))
        return
    _, planned = _plan(suite, profile, only, set_, None, results)
    out.print(state_table(planned.items))
    out.print(f"\n{describe(planned.items)}.")


@app.command()
def collect(
    results: Results = RUNS,
    csv: Annotated[Path | None, typer.Option(help="Write the long frame to this CSV file.")] = None,
) -> None:
    """Gather every record into one long table, and name the damaged ones."""
    from zigbench.collect import scan

    found = scan(results)
    table = found.frame()
    if csv:
        table.to_csv(csv, index=False)
    out.print(f"{len(found.records)} records, {len(table)} rows" + (f" written to {csv}" if csv else ""))
    for damaged in found.damaged:
        err.print(f"[red]damaged:[/] {damaged.reason}")
    if found.damaged:
        raise typer.Exit(1)


@app.command()
def report(
    suite: SuiteName,
    profile: Profile = None,
    only: Only = None,
    set_: Set = None,
    results: Results = RUNS,
    reports: Reports = REPORTS,
) -> None:
    """Write a suite's page, figures and tables from the records there are."""
    from zigbench.display import relative

    chosen, planned = _plan(suite, profile, only, set_, None, results)
    page = _write_report(chosen, [item.cell for item in planned.items], results, reports, only)
    out.print(f"report: [bold]{relative(page)}[/] (open it in a browser)")


@app.command()
def check(name: Annotated[str, typer.Argument(metavar="BACKBONE", help="A registered backbone.")]) -> None:
    """Hold a backbone against the public contract: shapes, gradients, conditioning, determinism, any grid."""
    from zigbench.check import check as run_check

    results = run_check(name)
    for result in results:
        style = {"passed": "green", "failed": "bold red", "skipped": "dim"}[result.status]
        out.print(Text.assemble((f"{result.status:8}", style), f"{result.geometry:12}{result.name}"), end="")
        out.print(f": {result.detail}" if result.detail else "", markup=False)
    failed = sum(result.status == "failed" for result in results)
    out.print(f"{name}: {failed} of {len(results)} checks failed" if failed else f"{name} keeps the contract")
    if failed:
        raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Show versions, devices and kernels: what is used and, where something is not, why."""
    from zigbench.doctor import report as diagnose

    out.print(diagnose())


curves_app = typer.Typer(help="Compare, show and picture scan curves.", no_args_is_help=True)
app.add_typer(curves_app, name="curves")
Grid = Annotated[str, typer.Option(metavar="HxW", help="Height and width in patches, `32x32`; `TxHxW` for clips.")]
Curves = Annotated[list[str] | None, typer.Argument(metavar="[CURVE]...", help="Registered curves; all without any.")]


@curves_app.command("compare")
def curves_compare(
    curves: Curves = None,
    grid: Grid = "32x32",
    csv: Annotated[Path | None, typer.Option(help="Write the table to this CSV file.")] = None,
) -> None:
    """Figures of merit: continuity, jumps, locality, layers until every token has reached every token."""
    from zigbench import scan

    sides = _grid(grid)
    rows = scan.compare(curves or scan.names(len(sides)), sides)
    if csv:
        csv.write_text(scan.to_csv(rows))
    out.print(scan.table(rows), markup=False, end="")


@curves_app.command("show")
def curves_show(
    curve: Annotated[str, typer.Argument(metavar="CURVE", help="A registered curve.")],
    grid: Grid = "16x16",
    variant: Annotated[int, typer.Option(min=0, max=7, help="Which of the eight symmetries.")] = 0,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a .png or .svg instead.")] = None,
) -> None:
    """Draw a curve in the terminal, or as a picture."""
    from zigbench import scan
    from zigbench.scan import pictures, terminal

    order = scan.make_order(curve, _grid(grid), variant)
    if save:
        out.print(f"written to {pictures.save(order, save)}")
    else:
        out.print(terminal.box_drawing(order), markup=False)


@curves_app.command("gallery")
def curves_gallery(
    grid: Grid = "16x16", to: Annotated[Path, typer.Option(help="The page to write.")] = REPORTS / "curves.html"
) -> None:
    """Write a page with every curve and variant, walked step by step."""
    from zigbench.scan import gallery

    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(gallery.page(_grid(grid)), encoding="utf-8")
    out.print(f"gallery: [bold]{to}[/] (open it in a browser)")


def _grid(text: str) -> tuple[int, ...]:
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) not in (2, 3) or not all(side.isdigit() for side in sides):
        raise ValueError(f"grid {text!r}: write height x width, such as 32x32, or frames x height x width")
    return tuple(map(int, sides))


def _plan(
    name: str,
    profile: str | None,
    only: Sequence[str] | None,
    set_: Sequence[str] | None,
    retry: Sequence[str] | None,
    results: Path,
) -> tuple[Suite, Plan]:
    from zigbench.launch import plan as make_plan
    from zigbench.settings import parse_assignment
    from zigbench.suite import expand, load

    suite = load(name).profile(profile)
    cells = list(expand(suite, dict(map(parse_assignment, set_ or ())), only or ()))
    if not cells:
        raise ValueError(f"no run of {name} matches {' and '.join(only or ())}")
    return suite, make_plan(cells, results, retry or ())


def _write_report(suite: Suite, cells: list[Cell], results: Path, reports: Path, only: Sequence[str] | None) -> Path:
    from zigbench.report import write

    command = " ".join(["zigbench", *sys.argv[1:]])
    return write(suite, cells, root=results, out=reports / suite.name, command=command)


def main() -> None:
    """Entry point: one clear line and an exit code for what went wrong (2: what was asked; 1: what happened)."""
    try:
        sys.exit(app(standalone_mode=False))
    except (KeyboardInterrupt, typer.Abort):
        err.print("\ninterrupted: nothing is half-written; the same command goes on from here")
        _leave(130)
    except SpecError as error:
        err.print(str(error), markup=False)
        _leave(2)
    except ValueError as error:
        err.print(f"zigbench: {error}", markup=False)
        _leave(2)
    except OSError as error:
        err.print(f"zigbench: {error.strerror or error}: {error.filename or ''}", markup=False)
        _leave(1)
    except Exception as error:
        # The parser's own usage errors know how to show themselves and which code they mean.
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        _leave(error.exit_code)  # type: ignore[attr-defined]


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.exit(code)


if __name__ == "__main__":
    main()
