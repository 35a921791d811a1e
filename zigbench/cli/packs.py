"""Commands about packs, in which recorded runs are stored and sent: pack, merge, unpack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from zigbench.cli import completion
from zigbench.cli.options import RUNS, Profile, Results, app, err, out, writable
from zigbench.cli.planning import recorded_suites
from zigbench.launch.job_notes import current_user
from zigbench.records import packing
from zigbench.records.pack import Pack
from zigbench.records.packing import Labels
from zigbench.records.record import Damaged
from zigbench.records.sources import Sources
from zigbench.suite import expand, load

if TYPE_CHECKING:
    from zigbench.suite import Cell, Suite

Out = Annotated[Path, typer.Option("--out", metavar="PACK", help="The pack: a folder, or one file that ends in .zip.")]
Author = Annotated[str | None, typer.Option(help="Author of the runs, for the pack's manifest; by default your login.")]


@app.command()
def pack(
    output: Out,
    suites: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUITE]...",
            help="Only the runs of these suites; else all runs.",
            autocompletion=completion.suites,
        ),
    ] = None,
    profile: Profile = None,
    author: Author = None,
    results: Results = RUNS,
) -> None:
    """Pack recorded runs into a few files for git, or into one zip to send, with their hashes."""

    sources = Sources.of(results)
    labels = packing.joined_labels(sources.packs)
    if suites:
        expanded = _expanded(suites, profile)
        only = [cell.spec.id for _, cells in expanded for cell in cells]
    elif profile:
        raise ValueError("--profile needs a suite: name one, or leave --profile out to pack all runs")
    else:
        expanded, broken = recorded_suites(sources)
        only = None
        for sentence in broken:
            err.print(f"[yellow]without labels:[/] {escape(sentence)}")
    records, damaged = sources.read(only)
    packing.write(records, _with(labels, expanded), output, author=author or current_user())
    out.print(f"{len(records)} records packed into {output}")
    _name([*damaged, *sources.damaged()])


@app.command()
def merge(
    packs: Annotated[list[Path], typer.Argument(metavar="PACK...", help="Packs, zips of packs, or folders of runs.")],
    output: Out,
    author: Author = None,
) -> None:
    """Join packs into one. Where two packs have different records of a run, both stay, the first pack's first."""

    for place in packs:
        if not place.exists():
            raise ValueError(f"there is no pack {place}")
    sources = Sources.of(packs)
    records, damaged = sources.read()
    authors = dict.fromkeys(str(pack.manifest.get("author", "unknown")) for pack in sources.packs)
    by = author or ", ".join(authors) or current_user()
    packing.write(records, packing.joined_labels(sources.packs), output, author=by)
    more = len(records) - len({record.id for _, record in records})
    out.print(
        f"{len(records)} records of {len(packs)} packs joined into {output}"
        + (f"; {more} are repeated measurements of runs in it" if more else "")
    )
    _name([*damaged, *sources.damaged()])


@app.command()
def unpack(
    place: Annotated[Path, typer.Argument(metavar="PACK", help="A pack, or a zip of one.")],
    results: Results = RUNS,
) -> None:
    """Write the runs of a pack as folders, byte for byte as they were recorded. Existing runs stay."""

    source, root = Pack(place), writable(results)
    written, left = packing.unpack(source, root)
    out.print(f"{len(written)} runs of {place} are in {root}")
    for sentence in left:
        err.print(f"[yellow]left out:[/] {escape(sentence)}")
    _name([*source.records()[1], *source.damaged()])
    if left:
        raise typer.Exit(1)


def _expanded(names: Iterable[str], profile: str | None) -> list[tuple[Suite, list[Cell]]]:
    suites = [load(name).profile(profile) for name in names]
    return [(suite, list(expand(suite))) for suite in suites]


def _with(labels: Labels, expanded: Iterable[tuple[Suite, Sequence[Cell]]]) -> Labels:
    """Return labels with those of the suites' cells added."""

    suites, runs = dict(labels.suites), {run: dict(of_run) for run, of_run in labels.runs.items()}
    for suite, cells in expanded:
        suites[suite.name] = suite.to_json()
        for cell in cells:
            runs.setdefault(cell.spec.id, {})[suite.name] = dict(cell.labels)
    return Labels(suites, runs)


def _name(damaged: Sequence[Damaged]) -> None:
    """Print the damaged parts, and end with exit code 1 if there are any."""
    for item in dict.fromkeys(damaged):
        err.print(f"[red]{item.state}:[/] {escape(item.reason)}")
    if damaged:
        raise typer.Exit(1)
