"""Commands about the installation: list, check, doctor."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from zigbench.cli.doctor import diagnose
from zigbench.cli.options import app, out
from zigbench.cli.render import plain_table
from zigbench.spec import registry
from zigbench.suite import load


class Kind(StrEnum):
    """A kind of plug-ins that `zigbench list` lists."""

    suites = "suites"
    backbones = "backbones"
    curves = "curves"
    data = "data"
    metrics = "metrics"


@app.command("list")
def list_(kind: Annotated[Kind, typer.Argument(help="The kind of plug-ins.")] = Kind.suites) -> None:
    """List the installed suites, backbones, curves, data sets or metrics."""
    known: registry.Registry[Any] = getattr(registry, kind.value)
    rows = []
    for name in known.names():
        try:
            rows.append((name, _describe(kind, name, known)))
        except ValueError as error:  # A broken plug-in is reported in one line; the others are still listed.
            rows.append((name, f"BROKEN: {error}"))
    out.print(plain_table((kind.value.removesuffix("s"), "description"), rows))


def _describe(kind: Kind, name: str, known: registry.Registry[Any]) -> str:
    if kind is Kind.suites:
        return load(name).question
    plugin = known.get(name)
    lines = (getattr(plugin, "description", None) or plugin.__doc__ or "").strip().splitlines()
    return lines[0] if lines else ""


@app.command()
def check(name: Annotated[str, typer.Argument(metavar="BACKBONE", help="A registered backbone.")]) -> None:
    """Test a backbone against the public contract: shapes, gradients, conditioning, determinism, any grid."""
    from zigbench.check import check as run_check  # torch

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
    """Show versions, devices and kernels: those in use and, for the others, the reason."""
    out.print(diagnose())
