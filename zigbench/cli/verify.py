"""The command that checks a pack: verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zigbench.cli.options import app, err, out


@app.command()
def verify(
    place: Annotated[Path, typer.Argument(metavar="PACK", help="A pack, or a zip of one.")],
) -> None:
    """Check a pack before it is merged: hashes, schema, protocols, and what is missing from it.

    The exit code is 1 where something cannot be trusted; a pack that is incomplete can be merged like any other.
    """
    from zigbench.records.pack import Pack
    from zigbench.report import formatting
    from zigbench.report.verification import verify as check

    if not place.exists():
        raise ValueError(f"there is no pack {place}")
    result = check(Pack(place))
    for gap in result.gaps:
        out.print(f"incomplete: {gap}", markup=False)
    for fault in result.faults:
        err.print(f"fault: {fault}", markup=False)
    state = formatting.count(len(result.faults), "fault") if result.faults else "sound"
    out.print(f"{place}: {formatting.count(result.records, 'record')}, {state}", markup=False)
    if result.faults:
        raise typer.Exit(1)
