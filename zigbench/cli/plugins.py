"""Commands about the installation: list, check, doctor."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from zigbench.cli import completion
from zigbench.cli.doctor import diagnose
from zigbench.cli.keys import COLUMNS, listed, page
from zigbench.cli.options import Set, app, out
from zigbench.cli.render import plain_table
from zigbench.spec import registry
from zigbench.spec.errors import Fault, SpecError
from zigbench.spec.overrides import parse_assignment
from zigbench.suite import load


class Kind(StrEnum):
    """A kind of things that `zigbench list` lists: plug-ins, or the keys of a spec."""

    suites = "suites"
    backbones = "backbones"
    curves = "curves"
    data = "data"
    metrics = "metrics"
    objectives = "objectives"
    keys = "keys"


@app.command("list")
def list_(
    kind: Annotated[Kind, typer.Argument(help="The kind of plug-ins, or the keys of a spec.")] = Kind.suites,
    prefix: Annotated[
        str, typer.Argument(metavar="[PREFIX]", help="Of keys: those that begin so (`training`, `backbone.config`).")
    ] = "",
    markdown: Annotated[bool, typer.Option("--markdown", help="Of keys: the page of the reference.")] = False,
) -> None:
    """List the installed suites, backbones, curves, data sets, metrics or objectives, or the keys of a spec."""
    if (prefix or markdown) and kind is not Kind.keys:
        raise ValueError(f"PREFIX and --markdown are of keys; `zigbench list {kind.value}` takes neither")
    if markdown:
        sys.stdout.write(page())
        return
    if kind is Kind.keys:
        out.print(plain_table(COLUMNS, listed(prefix)))
        return
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
def check(
    name: Annotated[
        str,
        typer.Argument(
            metavar="BACKBONE",
            help="A registered backbone.",
            autocompletion=completion.names_of(registry.backbones),
        ),
    ],
    settings: Set = None,
) -> None:
    """Run the interface test of a backbone: shapes, gradients, conditioning, determinism, any grid."""
    from zigbench.check import check as run_check  # torch

    results = run_check(name, config=_keywords(settings or []))
    for result in results:
        style = {"passed": "green", "failed": "bold red", "skipped": "dim"}[result.status]
        out.print(Text.assemble((f"{result.status:8}", style), f"{result.geometry:12}{result.name}"), end="")
        out.print(f": {result.detail}" if result.detail else "", markup=False)
    failed = sum(result.status == "failed" for result in results)
    out.print(f"{name}: {failed} of {len(results)} checks failed" if failed else f"{name} passes the interface test")
    if failed:
        raise typer.Exit(1)


def _keywords(settings: list[str]) -> dict[str, Any]:
    """Return keys of a run as the keywords of a network: those of its config, its scan and its position.

    Raises:
        SpecError: a key of another part of a run.
    """
    keywords = {}
    for key, value in map(parse_assignment, settings):
        part, _, word = key.rpartition(".")
        if part not in ("backbone.config", "scan") and key != "position":
            hint = "such keys begin with backbone.config. or scan., or are position"
            raise SpecError([Fault(key, repr(value), "is no key of a network", hint)])
        keywords[word] = value
    return keywords


@app.command()
def doctor() -> None:
    """Show versions, devices and kernels: those in use and, for the others, the reason."""
    out.print(diagnose())
